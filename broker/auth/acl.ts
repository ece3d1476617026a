import { covers, matches } from '../protocol/topics.ts'
import type { Rules } from './users.ts'

/** Cached decisions; a client that invents topic names must not fill the memory. */
const MAX_CACHED = 1_000

/** The rules of a user, with a cache because every message is checked. */
export class Acl {
  readonly #rules: Rules
  readonly #publish = new Map<string, boolean>()
  readonly #read = new Map<string, boolean>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** Topics that begin with `$` belong to the broker. */
  mayPublish(topic: string): boolean {
    return cached(
      this.#publish,
      topic,
      () => !topic.startsWith('$') && some(this.#rules.publish, matches, topic),
    )
  }

  mayRead(topic: string): boolean {
    return cached(this.#read, topic, () => some(this.#rules.subscribe, matches, topic))
  }

  maySubscribe(filter: string): boolean {
    return some(this.#rules.subscribe, covers, filter)
  }
}

function some(filters: readonly string[], test: typeof matches, name: string): boolean {
  return filters.some((filter) => test(filter, name))
}

function cached(cache: Map<string, boolean>, topic: string, decide: () => boolean): boolean {
  const known = cache.get(topic)
  if (known !== undefined) return known
  const decision = decide()
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(topic, decision)
  return decision
}

import { covers, matches } from './topic-filter.ts'
import type { Rules } from './users.ts'

/** Answers that are kept; a client that makes names up must not fill the memory. */
const MOST_ANSWERS = 1_000

/** The rules of a user, quick enough to be asked for each message. */
export class RuleSet {
  readonly #rules: Rules
  readonly #publish = new Map<string, boolean>()
  readonly #read = new Map<string, boolean>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** Topics that begin with `$` are the broker's own. */
  mayPublish(topic: string): boolean {
    return remembered(
      this.#publish,
      topic,
      () => !topic.startsWith('$') && some(this.#rules.publish, matches, topic),
    )
  }

  mayRead(topic: string): boolean {
    return remembered(this.#read, topic, () => some(this.#rules.subscribe, matches, topic))
  }

  maySubscribe(filter: string): boolean {
    return some(this.#rules.subscribe, covers, filter)
  }
}

function some(filters: readonly string[], test: typeof matches, name: string): boolean {
  return filters.some((filter) => test(filter, name))
}

function remembered(answers: Map<string, boolean>, topic: string, ask: () => boolean): boolean {
  const known = answers.get(topic)
  if (known !== undefined) return known
  const answer = ask()
  if (answers.size >= MOST_ANSWERS) answers.clear()
  answers.set(topic, answer)
  return answer
}

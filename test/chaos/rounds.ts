import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { type Fault, faultsOf, type Scene } from './faults.ts'
import { drive, haveStopped, type Motors, type sendCommands } from './observers.ts'

export const RECOVERY_LIMIT_MS = 60_000
/** A second of pictures without a gap. */
const STEADY = { pictures: 10, within: 1_000, age: 500 }

interface Observed {
  page: Page
  motors: Motors
  commands: Awaited<ReturnType<typeof sendCommands>>
}

interface Verdict {
  random: () => number
  problems: string[]
  recoveries: Map<string, number[]>
  say(line: string): void
}

/** One fault after the other, each once before any comes again. */
export class Rounds {
  readonly #scene: Scene
  readonly #observed: Observed
  readonly #verdict: Verdict
  #queue: Fault[] = []
  #count = 0

  constructor(scene: Scene, observed: Observed, verdict: Verdict) {
    this.#scene = scene
    this.#observed = observed
    this.#verdict = verdict
  }

  async next(): Promise<void> {
    const { random, problems, recoveries, say } = this.#verdict
    const { page, motors } = this.#observed
    const { relayPort } = this.#scene.stack
    if (this.#queue.length === 0) this.#queue = shuffle(faultsOf(this.#scene), random)
    const fault = this.#queue.pop()
    if (!fault) return
    const by = random() < 0.5 ? 'page' : 'relay'
    const letGo = await drive(by, page, relayPort)
    await sleep(500)
    const start = performance.now()
    await fault.happen(this.#scene, random)
    const over = performance.now()
    await letGo().catch(() => {})
    if (!(await haveStopped(motors)))
      problems.push(`${fault.name}: the motors ran on without a driver (${by})`)
    const took = await this.#recovery(start, over)
    if (took === undefined) problems.push(`${fault.name}: no recovery within ${RECOVERY_LIMIT_MS / 1000} s`)
    else recoveries.set(fault.name, [...(recoveries.get(fault.name) ?? []), took])
    say(`${++this.#count}. ${fault.name}, driven by the ${by}: ${took ?? 'not'} ms`)
  }

  /** Milliseconds from the end of the fault to steady video and an answered command; undefined: not in time. */
  async #recovery(start: number, over: number): Promise<number | undefined> {
    const { page, commands } = this.#observed
    let video: number | undefined
    let answered: number | undefined
    while (performance.now() - over < RECOVERY_LIMIT_MS) {
      commands.reopenIfClosed()
      video ??= await steadySince(page, start)
      answered ??= commands.seen.answeredUntil > over ? commands.seen.answeredUntil : undefined
      if (video !== undefined && answered !== undefined)
        return Math.round(Math.max(0, video - over, answered - over))
      await sleep(100)
    }
    return undefined
  }
}

/** Since when pictures come without a gap, in this process's time; undefined: they do not. */
async function steadySince(page: Page, after: number): Promise<number | undefined> {
  const seen = await page
    .evaluate(() => ({ times: globalThis.wimz.pictures.map(([at]) => at), now: performance.now() }))
    .catch(() => undefined)
  if (!seen) return undefined
  const offset = performance.now() - seen.now
  const last = seen.times
    .map((at) => at + offset)
    .filter((at) => at >= after)
    .slice(-STEADY.pictures)
  const [first, newest] = [last[0], last.at(-1)]
  if (first === undefined || newest === undefined || last.length < STEADY.pictures) return undefined
  const isSteady = newest - first <= STEADY.within && performance.now() - newest <= STEADY.age
  return isSteady ? first : undefined
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { type Fault, faultsOf, type Scene } from './faults.ts'
import { drive, haveStopped, type Motors, RECOVERY_LIMIT_MS, type sendCommands } from './observers.ts'

/** Log lines that are shown with a fault that did not recover. */
const LAST_LINES = 30
/** So many pictures in so many ms, the last of them this young: what a busy machine shows as well. */
const STEADY = { pictures: 5, within: 1_500, age: 700 }

interface Observed {
  page: Page
  motors: Motors
  commands: Awaited<ReturnType<typeof sendCommands>>
}

interface Verdict {
  random: () => number
  problems: string[]
  recoveries: Map<string, number[]>
  print(line: string): void
  only: string
}

/** Milliseconds from the end of a fault to steady video and to an answered command; undefined: not in time. */
interface Recovery {
  video?: number
  commands?: number
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
    const { random, problems, only } = this.#verdict
    const { page, motors } = this.#observed
    const { relayPort } = this.#scene.stack
    if (this.#queue.length === 0)
      this.#queue = shuffle(
        faultsOf(this.#scene).filter(({ name }) => name.includes(only)),
        random,
      )
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
    this.#judge(fault, by, await this.#recovery(start, over))
  }

  #judge({ name }: Fault, by: string, { video, commands }: Recovery): void {
    const { problems, recoveries, print } = this.#verdict
    print(
      `${++this.#count}. ${name}, driven by the ${by}: video ${video ?? 'not'} ms, commands ${commands ?? 'not'} ms`,
    )
    if (video !== undefined && commands !== undefined) {
      recoveries.set(name, [...(recoveries.get(name) ?? []), Math.max(video, commands)])
      return
    }
    problems.push(`${name}: no recovery within ${RECOVERY_LIMIT_MS / 1000} s`)
    for (const line of this.#scene.stack.lines.slice(-LAST_LINES)) print(JSON.stringify(line))
  }

  async #recovery(start: number, over: number): Promise<Recovery> {
    const { page, commands } = this.#observed
    const since: Recovery = {}
    const after = (at: number) => Math.round(Math.max(0, at - over))
    while (performance.now() - over < RECOVERY_LIMIT_MS) {
      commands.reopenIfClosed()
      const steady = since.video === undefined ? await steadySince(page, start) : undefined
      if (steady !== undefined) since.video = after(steady)
      if (commands.seen.answeredUntil > over) since.commands ??= after(commands.seen.answeredUntil)
      if (since.video !== undefined && since.commands !== undefined) break
      await sleep(100)
    }
    return since
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

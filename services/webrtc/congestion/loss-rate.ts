import type { Outcome } from './sent-packets.ts'

/** Fewer packets say nothing of the link. */
const ENOUGH = 20
const WINDOW = 1_000

/** Share of the packets of the last second that were lost, 0..1; undefined while too few are known. */
export class LossRate {
  #recent: { at: number; lost: boolean }[] = []

  add({ sentAt, receivedAt }: Outcome): void {
    this.#recent.push({ at: sentAt, lost: receivedAt === undefined })
    this.#recent = this.#recent.filter(({ at }) => at > sentAt - WINDOW)
  }

  get now(): number | undefined {
    if (this.#recent.length < ENOUGH) return undefined
    return this.#recent.filter(({ lost }) => lost).length / this.#recent.length
  }
}

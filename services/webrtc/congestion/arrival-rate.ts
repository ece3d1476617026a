import type { Outcome } from './sent-packets.ts'

/** bit/s of what arrives, over the last `window` milliseconds of the viewer's clock. */
export class ArrivalRate {
  readonly #window: number
  #arrived: { at: number; size: number }[] = []
  #first: number | undefined
  #newest = 0

  constructor(window: number) {
    this.#window = window
  }

  add({ receivedAt, size }: Outcome): void {
    if (receivedAt === undefined) return
    if (this.#first === undefined || Math.abs(receivedAt - this.#newest) > 10 * this.#window) {
      this.#first = receivedAt
      this.#newest = receivedAt
      this.#arrived = []
    }
    this.#newest = Math.max(this.#newest, receivedAt)
    this.#arrived.push({ at: receivedAt, size })
    this.#arrived = this.#arrived.filter(({ at }) => at > this.#newest - this.#window)
  }

  /** undefined until a whole window has been seen. */
  get now(): number | undefined {
    if (this.#first === undefined || this.#newest - this.#first < this.#window) return undefined
    const bytes = this.#arrived.reduce((sum, { size }) => sum + size, 0)
    return (bytes * 8_000) / this.#window
  }
}

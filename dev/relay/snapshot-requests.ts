import type { Frame } from './frame.ts'

/** What requests snapshots: an app. */
interface Requester {
  readonly isCongested?: boolean
  send(frame: Frame): void
}

/** Five snapshots a second, for all apps of a robot together. */
const MIN_INTERVAL_MS = 200

/**
 * Requests snapshots of one robot, for its apps whose WebRTC does not connect: one at a time for all of them, and none without an
 * app that waits. A snapshot goes to the apps whose request preceded that to the robot, so that an app knows its greatest age.
 */
export class SnapshotRequests {
  readonly #sendToRobot: (frame: Frame) => void
  readonly #timeoutMs: number
  /** Apps for the next request, and those of the current one. */
  #waiting = new Set<Requester>()
  #asked = new Set<Requester>()
  #id = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `timeoutMs`: after it a robot that does not answer is asked again. */
  constructor(sendToRobot: (frame: Frame) => void, timeoutMs: number) {
    this.#sendToRobot = sendToRobot
    this.#timeoutMs = timeoutMs
  }

  /** An app wants the next snapshot. */
  request(app: Requester): void {
    this.#waiting.add(app)
    if (this.#asked.size === 0) this.#schedule()
  }

  /** A `snapshot` of the robot; one that was not requested, or too late, is dropped. */
  received({ id, data }: Frame): void {
    if (id !== this.#id || typeof data !== 'string') return
    const apps = this.#asked
    this.#asked = new Set()
    for (const app of apps) if (!app.isCongested) app.send({ type: 'snapshot', data })
    this.#schedule()
  }

  /** The robot has disconnected. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#waiting.clear()
    this.#asked.clear()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#waiting.size === 0) return
    this.#timer = setTimeout(
      () => this.#ask(),
      Math.max(0, this.#askedAt + MIN_INTERVAL_MS - performance.now()),
    ).unref()
  }

  #ask(): void {
    this.#asked = this.#waiting
    this.#waiting = new Set()
    this.#askedAt = performance.now()
    this.#sendToRobot({ type: 'snapshot_request', id: ++this.#id })
    this.#timer = setTimeout(() => {
      this.#asked.clear()
      this.#schedule()
    }, this.#timeoutMs).unref()
  }
}

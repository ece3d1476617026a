import type { Bus } from '#bus/bus.ts'
import type { AudioState } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Microphone } from './capture/microphone.ts'
import type { ClipQueue } from './clips/clip-queue.ts'
import type { Hearing } from './hearing.ts'
import type { Speaker } from './speaker/speaker.ts'

/** Interval of `audio/state` without changes. */
const INTERVAL_MS = 5_000

interface Sources {
  bus: Bus
  /** Undefined without one. */
  microphone?: Pick<Microphone, 'summary'>
  hearing?: Pick<Hearing, 'muted' | 'demand'>
  speaker?: Pick<Speaker, 'summary'>
  clips?: Pick<ClipQueue, 'waiting'>
  drops: Pick<EventCounter, 'totals'>
}

/** Publishes `audio/state`: on changes, several of one turn at once, and periodically. */
export class StatePublisher implements Disposable {
  readonly #sources: Sources
  readonly #timer: NodeJS.Timeout
  #scheduled = false
  #closed = false

  constructor(sources: Sources) {
    this.#sources = sources
    this.#timer = setInterval(() => this.changed(), INTERVAL_MS).unref()
  }

  changed(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (!this.#closed) this.#publish()
    })
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  #publish(): void {
    const { bus, microphone, hearing, speaker, clips, drops } = this.#sources
    bus.setState({
      ...microphone?.summary,
      ...(hearing ? { muted: hearing.muted, demand: hearing.demand } : {}),
      ...(speaker ? { speaker: { ...speaker.summary, waiting: clips?.waiting ?? 0 } } : {}),
      dropped: drops.totals,
    } satisfies Omit<AudioState, 'state' | 'version' | 'since'>)
  }
}

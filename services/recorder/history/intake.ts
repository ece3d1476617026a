import type { Bus } from '#bus/bus.ts'
import { isKept } from '#bus/events.ts'
import type { Command, TrackEvent } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { isDrive } from '#commands/drive/drive.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { hideCredentials } from '#lib/redact.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { HistoryRecord } from './records.ts'
import { SessionTracker } from './session-tracker.ts'

/** Bounds of what a faulty or hostile service can write into the history. */
const BURST = 500
const PER_SECOND = 20
/** Events that were published this long before the outbox is empty have passed through it. */
const OUTBOX_DELAY_MS = 5_000
/** Between two notes that the recorder runs. */
const ALIVE_INTERVAL_MS = 60_000

/** Events that repeat what is recorded otherwise, or that are too frequent. */
const NOT_RECORDED: ReadonlySet<string> = new Set(['detection', 'dog_detected', 'status', 'status_update'])

interface IntakeDeps {
  bus: Bus
  log: Logger
  /** Counts records that are not written. */
  dropped: EventCounter
  record(record: HistoryRecord): void
  onTrack(event: TrackEvent): void
}

/** Writes what happens on the bus into the history. */
export async function followBus(deps: IntakeDeps): Promise<Disposable> {
  using stack = new DisposableStack()
  const intake = new Intake(deps)
  const sessions = stack.use(new SessionTracker((record) => intake.record(record)))
  const { bus, log } = deps
  const subscriptions = {
    tracks: () => bus.subscribe(topics.track, (event) => intake.track(event)),
    events: () =>
      bus.subscribe(topics.event, (facts, { params, retained }) => {
        if (!retained) intake.event(params.name, facts)
      }),
    commands: () =>
      bus.subscribe(topics.command, (command, { retained }) => {
        if (retained) return
        if (isDrive(command.name)) sessions.drove(command.session_id ?? command.source, command.source)
        else intake.command(command)
      }),
    results: () => bus.subscribe(topics.commandResult, (result) => intake.result(result)),
    sessions: () => bus.subscribe(topics.sessions, (list) => sessions.viewers(list)),
    'closed sessions': () =>
      bus.subscribe(topics.closed, ({ session_id, reason, by }) => sessions.closed(session_id, reason, by)),
    webrtc: () =>
      bus.subscribe(topics.webrtcState, ({ state }) => {
        if (state === 'offline') sessions.allClosed('webrtc is offline')
      }),
    outbox: () => bus.subscribe(topics.link, (link) => intake.outbox(link)),
  }
  for (const [part, subscribe] of Object.entries(subscriptions)) {
    // what a users file of an earlier version does not allow: the rest is recorded
    await subscribe().then(
      (subscription) => void stack.use(subscription),
      (err: unknown) =>
        log.error({ err, part }, 'history lacks a part: copy the user recorder from configs/broker.yaml'),
    )
  }
  const alive = () => deps.record({ type: 'alive', at: Date.now() })
  alive()
  const timer = setInterval(alive, ALIVE_INTERVAL_MS)
  stack.defer(() => clearInterval(timer))
  return stack.move()
}

class Intake {
  readonly #deps: IntakeDeps
  readonly #limit = new TokenBucket(BURST, PER_SECOND)
  /** Drops of the outbox, as last reported. */
  #outboxDropped: number | undefined

  constructor(deps: IntakeDeps) {
    this.#deps = deps
  }

  record(record: HistoryRecord): void {
    if (this.#limit.take()) this.#deps.record(record)
    else this.#deps.dropped.count(record.type)
  }

  track(event: TrackEvent): void {
    const { id, label, top_score, entered_zones, start_time, end_time } = event.after
    const times = { at: start_time, endedAt: end_time }
    this.record({ type: 'track', id, ...times, label, topScore: top_score, zones: entered_zones })
    this.#deps.onTrack(event)
  }

  event(name: string, facts: Readonly<Record<string, unknown>>): void {
    if (!NOT_RECORDED.has(name))
      this.record({ type: 'event', at: Date.now(), name, facts, kept: isKept(name) })
  }

  command({ id, name, source, session_id, params }: Command): void {
    this.record({ type: 'command', id, at: Date.now(), name, source, sessionId: session_id, params })
  }

  result({
    id,
    name,
    success,
    error,
  }: {
    id: string
    name: string
    success: boolean
    error?: string | undefined
  }): void {
    if (isDrive(name)) return
    const shown = error && hideCredentials(error)
    this.record({ type: 'command-result', id, at: Date.now(), success, error: shown })
  }

  /** An empty outbox has sent all events of before, unless it has dropped one: then it is not known which. */
  outbox({
    connected,
    outbox: { depth, dropped },
  }: {
    connected: boolean
    outbox: { depth: number; dropped: number }
  }): void {
    const hasDropped = this.#outboxDropped !== undefined && dropped > this.#outboxDropped
    this.#outboxDropped = dropped
    if (!connected || depth > 0 || hasDropped) return
    const at = Date.now()
    this.record({ type: 'events-sent', before: at - OUTBOX_DELAY_MS, at })
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '#lib/logger.ts'
import type { Outbox } from './outbox.ts'
import type { Entry } from './outbox-store.ts'

/** The connection, as far as the sender needs it. */
export interface Wire {
  /** Returns false when no socket is open; the frame is discarded. */
  sendText(text: string): boolean
  /** Bytes that wait in the socket. */
  readonly bufferedBytes: number
  /** Ends the connection without a close frame. */
  abort(reason: string): void
}

export interface SenderTimes {
  /** Pause between two batches of the backlog, in ms. */
  pause: number
  /** Deadline of the pong, ms: an app that stops reading can delay it by 55 s (docs/relay-protocol.md, keepalive). */
  pong: number
}

const SENDER_TIMES: SenderTimes = { pause: 25, pong: 90_000 }

/** Events per batch: 200 a second of a backlog, and live events at once. */
const BATCH = 5
/** Most events that are sent and not yet confirmed. */
const WINDOW = { events: 500, bytes: 4 * 1024 * 1024 }
/** Most bytes of events in the socket, ahead of signaling and acknowledgments. */
const MAX_BUFFERED_BYTES = 256 * 1024
/** Closes with the same oldest event before the events are sent one at a time (docs/relay-protocol.md, frames). */
const SUSPECT_CLOSES = 3

/**
 * Sends the events of the outbox in order while the connection is registered. An event is deleted when the pong of a later
 * ping confirms that the relay has read past it; after a lost connection the unconfirmed ones are sent again, with the
 * same id.
 */
export class OutboxSender {
  readonly #outbox: Outbox
  readonly #log: Logger
  readonly #times: SenderTimes
  #wire: Wire | undefined
  /** Sequence number of the last event sent on this connection. */
  #sent = 0
  #unconfirmed: Entry[] = []
  /** The pending ping confirms the events up to this one. */
  #pinged: number | undefined
  #deadline: NodeJS.Timeout | undefined
  #wakeUp = Promise.withResolvers<void>()
  /** The oldest unconfirmed event when the relay closed the connection, and how often in a row. */
  #suspect = { seq: 0, closes: 0 }

  constructor(outbox: Outbox, log: Logger, times: Partial<SenderTimes> = {}) {
    this.#outbox = outbox
    this.#log = log
    this.#times = { ...SENDER_TIMES, ...times }
  }

  /** A socket is open: the pong of this first ping proves the registration, and confirms no event. */
  opened(wire: Wire): void {
    this.#forgetConnection()
    this.#ping(wire, 0)
  }

  /** The socket is registered: starts sending. */
  registered(wire: Wire): void {
    this.#wire = wire
    this.#send(wire).catch((err: unknown) => this.#log.error({ err }, 'outbox cannot be read'))
  }

  /** The connection has ended, with this close code if there was one. */
  lost({ code }: { code: number | null }): void {
    const oldest = this.#unconfirmed[0]
    if (oldest && isRejection(code)) this.#blame(oldest)
    this.#forgetConnection()
  }

  /** An event was added to the outbox. */
  stored(): void {
    this.#wakeUp.resolve()
  }

  /** The relay has answered a ping: it has read everything sent before that. */
  pong(): void {
    const upTo = this.#pinged
    if (upTo === undefined) return
    this.#pinged = undefined
    clearTimeout(this.#deadline)
    if (upTo > 0) this.#confirm(upTo)
    this.#requestConfirmation()
    this.#wakeUp.resolve()
  }

  async #send(wire: Wire): Promise<void> {
    while (this.#wire === wire) {
      const sent = await this.#sendBatch(wire)
      if (this.#wire !== wire) return
      this.#requestConfirmation()
      await (sent > 0 || wire.bufferedBytes > MAX_BUFFERED_BYTES ? sleep(this.#times.pause) : this.#wait())
    }
  }

  /** Resolves to the number of events sent. */
  async #sendBatch(wire: Wire): Promise<number> {
    if (!this.#hasRoom(wire)) return 0
    const entries = await this.#outbox.after(this.#sent, this.#limit())
    if (this.#wire !== wire) return 0
    for (const entry of entries) {
      if (!wire.sendText(entry.frame)) break
      this.#sent = entry.seq
      this.#unconfirmed.push(entry)
    }
    return entries.length
  }

  /** One at a time shows which event the relay closes the connection over. */
  #limit(): { count: number; bytes: number } {
    return { count: this.#careful ? 1 : BATCH, bytes: MAX_BUFFERED_BYTES }
  }

  get #careful(): boolean {
    return this.#suspect.closes >= SUSPECT_CLOSES
  }

  #hasRoom(wire: Wire): boolean {
    if (wire.bufferedBytes > MAX_BUFFERED_BYTES) return false
    if (this.#careful) return this.#unconfirmed.length === 0
    const bytes = this.#unconfirmed.reduce((sum, { frame }) => sum + frame.length, 0)
    return this.#unconfirmed.length < WINDOW.events && bytes < WINDOW.bytes
  }

  async #wait(): Promise<void> {
    await this.#wakeUp.promise
    this.#wakeUp = Promise.withResolvers()
  }

  #requestConfirmation(): void {
    const last = this.#unconfirmed.at(-1)
    if (this.#wire && last && this.#pinged === undefined) this.#ping(this.#wire, last.seq)
  }

  #ping(wire: Wire, upTo: number): void {
    if (!wire.sendText('{"type":"ping"}')) return
    this.#pinged = upTo
    if (upTo > 0) this.#deadline = setTimeout(() => wire.abort('no answer to a ping'), this.#times.pong)
  }

  #confirm(upTo: number): void {
    this.#unconfirmed = this.#unconfirmed.filter(({ seq }) => seq > upTo)
    if (this.#suspect.seq <= upTo) this.#suspect = { seq: 0, closes: 0 }
    this.#outbox.deleteUpTo(upTo).catch((err: unknown) => {
      this.#log.warn({ err }, 'sent events could not be deleted and may be sent again')
    })
  }

  #blame(oldest: Entry): void {
    const closes = this.#suspect.seq === oldest.seq ? this.#suspect.closes + 1 : 1
    this.#suspect = { seq: oldest.seq, closes }
    // the last attempts were with this event alone
    if (closes < 2 * SUSPECT_CLOSES) return
    this.#suspect = { seq: 0, closes: 0 }
    this.#log.error(
      { event: oldest.name, closes },
      'the relay closes the connection over this event; event discarded',
    )
    this.#outbox
      .reject(oldest.seq)
      .catch((err: unknown) => this.#log.error({ err }, 'could not delete the rejected event'))
  }

  #forgetConnection(): void {
    this.#wire = undefined
    this.#sent = 0
    this.#unconfirmed = []
    this.#pinged = undefined
    clearTimeout(this.#deadline)
    this.#wakeUp.resolve()
  }
}

/** Close codes with which the relay rejects a frame: 1000, 1003, 1007 to 1009, 1011. */
function isRejection(code: number | null): boolean {
  return code !== null && [1000, 1003, 1007, 1008, 1009, 1011].includes(code)
}

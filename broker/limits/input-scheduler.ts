/** What one class of connections may occupy at a time. */
interface Share {
  /** Turns of all its connections in one round of the event loop. */
  turns: number
  /** Pause after a round, as a multiple of the time that it took. */
  pause: number
  /** Packets that are being processed. Aedes delivers 100 messages at a time; the others would wait in its queue. */
  inFlight: number
}

const USERS: Share = { turns: 16, pause: 0, inFlight: 400 }
/** Clients without a user name, and connections before their login. */
const ANONYMOUS: Share = { turns: 4, pause: 1, inFlight: 48 }

/** Packets of one connection that are being processed. */
const MAX_IN_FLIGHT = 8

/** A connection whose input is scheduled. */
export interface InputSource {
  isAnonymous(): boolean
  /** Reads the packets of one turn. Returns whether there may be more. */
  readTurn(): boolean
}

/**
 * Divides the event loop between the connections: each reads a few packets in its turn, and the next ones when these are
 * processed. Without it, one client that floods the broker delays all other messages by seconds. Clients with a user name do
 * not wait for those without one.
 */
export class InputScheduler {
  readonly #users = new Lane(USERS)
  readonly #anonymous = new Lane(ANONYMOUS)

  /** Schedules a connection: call `request` when there is input, `done` for each packet that is processed. */
  add(source: InputSource): ScheduledInput {
    return new ScheduledInput(source, () => (source.isAnonymous() ? this.#anonymous : this.#users))
  }
}

/** The input of one connection. */
export class ScheduledInput {
  readonly #source: InputSource
  readonly #laneOf: () => Lane
  #lane: Lane | undefined
  #inFlight = 0
  #isBlocked = false
  #closed = false

  constructor(source: InputSource, laneOf: () => Lane) {
    this.#source = source
    this.#laneOf = laneOf
  }

  /** There is input, or there may be. */
  request(): void {
    if (this.#closed || this.#inFlight >= MAX_IN_FLIGHT) return
    if (this.#isBlocked && this.#inFlight > 0) return
    this.#isBlocked = false
    const lane = this.#laneOf()
    if (lane !== this.#lane) this.#move(lane)
    lane.add(this)
  }

  /** A packet is processed. */
  done(): void {
    if (this.#closed || this.#inFlight === 0) return
    this.#inFlight--
    this.#lane?.finish(1)
    this.request()
  }

  /** The connection has ended. */
  close(): void {
    this.#closed = true
    this.#move(undefined)
  }

  /** Its turn. */
  run(): void {
    if (!this.#closed && this.#source.readTurn()) this.request()
  }

  /** A packet is handed to Aedes. */
  begin(): void {
    this.#inFlight++
    this.#lane?.begin()
  }

  /** Reads on only when every packet that was handed over is processed. */
  block(): void {
    this.#isBlocked = true
  }

  #move(lane: Lane | undefined): void {
    this.#lane?.remove(this, this.#inFlight)
    this.#lane = lane
    for (let i = 0; i < this.#inFlight; i++) lane?.begin()
  }
}

/** The connections of one share that wait for their turn, first come first served. */
class Lane {
  readonly #share: Share
  readonly #waiting = new Set<ScheduledInput>()
  #turns = 0
  #inFlight = 0
  #spentMs = 0
  #isServing = false
  #isRoundArmed = false

  constructor(share: Share) {
    this.#share = share
  }

  add(input: ScheduledInput): void {
    this.#waiting.add(input)
    this.#serve()
  }

  remove(input: ScheduledInput, inFlight: number): void {
    this.#waiting.delete(input)
    this.finish(inFlight)
  }

  begin(): void {
    this.#inFlight++
  }

  finish(packets: number): void {
    this.#inFlight -= packets
    this.#serve()
  }

  #serve(): void {
    if (this.#isServing) return
    this.#isServing = true
    const startedAt = performance.now()
    // visits inputs that are added during the loop, too
    for (const input of this.#waiting) {
      if (this.#turns >= this.#share.turns || this.#inFlight >= this.#share.inFlight) break
      this.#waiting.delete(input)
      this.#turns++
      this.#armRound()
      input.run()
    }
    this.#isServing = false
    this.#spentMs += performance.now() - startedAt
  }

  #armRound(): void {
    if (this.#isRoundArmed) return
    this.#isRoundArmed = true
    const next = () => {
      this.#isRoundArmed = false
      this.#turns = 0
      this.#serve()
    }
    setImmediate(() => {
      const pause = this.#spentMs * this.#share.pause
      this.#spentMs = 0
      if (pause < 1) next()
      else setTimeout(next, pause)
    })
  }
}

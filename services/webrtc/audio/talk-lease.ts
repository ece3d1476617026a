/** Live talk: which viewer speaks through the robot's speaker, one at a time. */
import { randomInt } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import { encodeTalkPacket } from '#bus/talk-packet.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { VoicePacket } from '../rtp/rtp-receiver.ts'

/** A viewer that talks repeats its request at least this often, else its talk ends. */
const LEASE_MS = 1_500
/** Packets of 10 ms are the shortest that browsers send. */
const PACKETS_A_SECOND = 110
const PACKET_BURST = 50
/** Talks that one viewer begins: each ends another, is logged, and opens a decoder. One that is refused begins with the next repetition. */
const [TALK_BURST, TALKS_A_SECOND] = [5, 2]
/** Ethernet's largest packet holds no more; the bus takes 2 KiB. */
const MAX_PAYLOAD = 1_400

/** Who talks, as a viewer is told. */
export interface TalkState {
  type: 'talk'
  by: 'you' | 'other' | null
}

/** One viewer that may talk. */
export interface Talker extends Disposable {
  /** A message `talk` of its control channel. */
  handle(message: Readonly<Record<string, unknown>>): void
  /** A packet of its microphone. */
  voice(packet: VoicePacket): void
  /** Tells it again who talks: the channel may lose messages. */
  announce(): void
}

interface Holder {
  talker: Member
  press: number
  /** Number of this talk on the bus. */
  talk: number
  timer: NodeJS.Timeout
}

/** Of the lease. */
interface Member {
  tell(state: TalkState): void
  log: Logger
  /** The last press that has ended, so that a repeated request of it does not begin a new talk. */
  ended: number
  rate: TokenBucket
  talks: TokenBucket
}

interface TalkLeaseDeps {
  bus: Bus
  discarded: EventCounter
}

/** At most one viewer talks: the newest press of a talk button wins. */
export class TalkLease implements Disposable {
  readonly #deps: TalkLeaseDeps
  readonly #members = new Set<Member>()
  #holder: Holder | undefined

  constructor(deps: TalkLeaseDeps) {
    this.#deps = deps
  }

  /** Adds a viewer; `tell` sends it a message. */
  join(tell: (state: TalkState) => void, log: Logger): Talker {
    const member: Member = {
      tell,
      log,
      ended: 0,
      rate: new TokenBucket(PACKET_BURST, PACKETS_A_SECOND),
      talks: new TokenBucket(TALK_BURST, TALKS_A_SECOND),
    }
    this.#members.add(member)
    return {
      handle: (message) => this.#handle(member, message),
      voice: (packet) => this.#forward(member, packet),
      announce: () => this.#tell(member),
      [Symbol.dispose]: () => {
        this.#members.delete(member)
        if (this.#holder?.talker === member) this.#end('viewer left')
      },
    }
  }

  [Symbol.dispose](): void {
    this.#members.clear()
    if (this.#holder) this.#end('service stops')
  }

  #handle(member: Member, { active, press }: Readonly<Record<string, unknown>>): void {
    if (typeof active !== 'boolean' || !isPress(press)) {
      this.#deps.discarded.count('talk: not understood')
      return
    }
    const isHolder = this.#holder?.talker === member
    if (!active) {
      member.ended = Math.max(member.ended, press)
      if (isHolder && press >= (this.#holder?.press ?? 0)) this.#end('released')
    } else if (press > member.ended) {
      if (isHolder) this.#extend(press)
      else this.#begin(member, press)
    }
    this.#tell(member)
  }

  #extend(press: number): void {
    const holder = this.#holder
    if (!holder) return
    holder.press = Math.max(holder.press, press)
    clearTimeout(holder.timer)
    holder.timer = this.#expiry()
  }

  #begin(talker: Member, press: number): void {
    if (!talker.talks.take()) {
      this.#deps.discarded.count('talk: too many')
      return
    }
    if (this.#holder) this.#finish('another viewer talks')
    this.#holder = { talker, press, talk: randomInt(2 ** 32), timer: this.#expiry() }
    talker.log.info('viewer talks')
    this.#tellAll()
  }

  #expiry(): NodeJS.Timeout {
    return setTimeout(() => this.#end('viewer silent'), LEASE_MS)
  }

  #end(reason: string): void {
    this.#finish(reason)
    this.#tellAll()
  }

  #finish(reason: string): void {
    const holder = this.#holder
    if (!holder) return
    clearTimeout(holder.timer)
    holder.talker.ended = Math.max(holder.talker.ended, holder.press)
    this.#holder = undefined
    holder.talker.log.info({ reason }, 'talk ended')
    this.#publish(holder.talk, { sequence: 0, timestamp: 0, payload: Buffer.alloc(0) })
  }

  #forward(member: Member, packet: VoicePacket): void {
    // a microphone that stays open between two talks
    if (this.#holder?.talker !== member) return
    if (packet.payload.length > MAX_PAYLOAD || !member.rate.take()) {
      this.#deps.discarded.count('talk: too much')
      return
    }
    this.#publish(this.#holder.talk, packet)
  }

  #publish(talk: number, { sequence, timestamp, payload: data }: VoicePacket): void {
    const { bus, discarded } = this.#deps
    bus
      .publish(topics.talk, encodeTalkPacket({ talk, sequence, timestamp, data }))
      .catch(() => discarded.count('talk: bus'))
  }

  #tell(member: Member): void {
    const talker = this.#holder?.talker
    const by = talker === undefined ? null : talker === member ? 'you' : 'other'
    member.tell({ type: 'talk', by })
  }

  #tellAll(): void {
    for (const member of this.#members) this.#tell(member)
  }
}

/** Presses of one viewer are counted from 1. */
function isPress(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

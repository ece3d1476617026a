import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode } from 'dns-packet'
import { outwardInterfaces } from '#lib/local-page/interfaces.ts'
import type { Logger } from '#lib/logger.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import { type Announced, answersTo, recordsOf } from './dns-sd.ts'

const GROUP = '224.0.0.251'
const PORT = 5353
/** Interval of the look for interfaces that have come or gone. */
const INTERFACES_INTERVAL_MS = 15_000
/** A packet that asks for more is not a query of a browser; it is dropped before it is decoded, which takes time. */
const MAX_BYTES = 1_500
const MAX_QUESTIONS = 16
const MAX_RECORDS = 64
const HEADER_BYTES = 12
/** TTL of answers to a plain DNS client, s, which cannot follow changes. RFC 6762 §6.7. */
const LEGACY_TTL = 10

interface DiscoveryOptions {
  announced: Announced
  log: Logger
  /** Where it is announced; all interfaces but loopback unless given. */
  interfaces?: () => NetworkInterfaceInfo[]
  port?: number
}

/**
 * Announces the page in the local network by mDNS and DNS-SD (RFC 6762, RFC 6763), IPv4: `<host>.local`, and a service
 * `_http._tcp` and `_wimz._tcp`. Answers come from the id of the robot alone, so there is no probing for a name in use.
 * Without multicast it logs a warning once, and does nothing.
 */
export class Discovery implements AsyncDisposable {
  readonly #options: DiscoveryOptions
  readonly #socket: Socket = createSocket({ type: 'udp4', reuseAddr: true })
  readonly #port: number
  readonly #queries = new TokenBucket(40, 20)
  #joined = new Map<string, NetworkInterfaceInfo>()
  #timer: NodeJS.Timeout | undefined

  /** Resolves when it has been announced. */
  static async start(options: DiscoveryOptions): Promise<Discovery> {
    const discovery = new Discovery(options)
    try {
      await discovery.#open()
    } catch (err) {
      options.log.warn({ err }, 'page not announced in the local network')
    }
    return discovery
  }

  private constructor(options: DiscoveryOptions) {
    this.#options = options
    this.#port = options.port ?? PORT
    this.#socket.on('error', () => {}) // of a send on an interface that has gone
    this.#socket.on('message', (bytes, from) => this.#receive(bytes, from))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#announce(false)
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  async #open(): Promise<void> {
    this.#socket.bind(this.#port)
    await once(this.#socket, 'listening')
    this.#socket.setMulticastTTL(255)
    this.#join()
    this.#timer = setInterval(() => this.#join() && void this.#announce(true), INTERFACES_INTERVAL_MS).unref()
    await this.#announce(true)
  }

  /** Joins the group on each interface. Returns whether one is new. */
  #join(): boolean {
    const known = this.#joined
    const { interfaces = outwardInterfaces } = this.#options
    this.#joined = new Map(interfaces().map((one) => [one.address, one]))
    const added = [...this.#joined.keys()].filter((address) => !known.has(address))
    for (const address of added) {
      try {
        this.#socket.addMembership(GROUP, address)
      } catch {
        this.#joined.delete(address) // an interface without multicast, or joined by another address
      }
    }
    return added.length > 0
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    if (!isPlausible(bytes) || !this.#queries.take()) return
    const on = [...this.#joined.values()].find((one) => isOnLink(one, from.address))
    // unicast from elsewhere is not answered: an answer is larger than its question (RFC 6762 §11)
    if (!on) return
    let query: ReturnType<typeof decode>
    try {
      query = decode(bytes)
    } catch {
      return
    }
    const records = recordsOf(this.#options.announced, [on.address])
    const found = answersTo(query.questions ?? [], records)
    if (found.answers.length === 0) return
    if (from.port === this.#port) return void this.#send(found, on)
    const legacy = (one: Answer) => ({ ...one, flush: false, ttl: LEGACY_TTL }) as Answer
    const answer = { answers: found.answers.map(legacy), additionals: found.additionals.map(legacy) }
    const packet = { type: 'response' as const, id: query.id ?? 0, flags: AUTHORITATIVE_ANSWER, ...answer }
    this.#socket.send(
      encode({ ...packet, questions: query.questions ?? [] }),
      from.port,
      from.address,
      () => {},
    )
  }

  async #announce(alive: boolean): Promise<void> {
    for (const one of this.#joined.values()) {
      await this.#send({ answers: recordsOf(this.#options.announced, [one.address], alive) }, one)
    }
  }

  /** Sends to the group on this interface; an error is ignored, since the next query is answered again. */
  #send(
    records: { answers: Answer[]; additionals?: Answer[] },
    { address }: NetworkInterfaceInfo,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    try {
      this.#socket.setMulticastInterface(address)
      const packet = encode({ type: 'response', flags: AUTHORITATIVE_ANSWER, ...records })
      this.#socket.send(packet, this.#port, GROUP, () => resolve())
    } catch {
      resolve()
    }
    return promise
  }
}

/** A standard query, not too large. RFC 1035 §4.1.1. */
function isPlausible(bytes: Buffer): boolean {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES) return false
  const isQuery = (bytes.readUInt16BE(2) & 0xf800) === 0
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10)
  return isQuery && bytes.readUInt16BE(4) <= MAX_QUESTIONS && records <= MAX_RECORDS
}

function isOnLink({ cidr, address }: NetworkInterfaceInfo, from: string): boolean {
  const subnet = new BlockList()
  subnet.addSubnet(address, Number(cidr?.split('/')[1] ?? 32))
  return subnet.check(from)
}

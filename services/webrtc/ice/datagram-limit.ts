/** WebRTC keeps its packets within an Ethernet MTU. */
const MAX_BYTES = 2_048
/** So many dropped ones of one kind, without a pause, are an attack. */
const MAX_DROPPED = 5_000

/** A token bucket: datagrams at once, and a second. */
interface Rate {
  burst: number
  perSecond: number
}

/** What a viewer sends, by the kinds of RFC 7983 §7; several times of what browsers need. */
const RATES = {
  /** Connectivity checks and their answers: one every 20 ms for each side while candidates are checked. */
  stun: { burst: 1_000, perSecond: 300 },
  /** The handshake and the data channel: a drive stick sends 50 messages a second. */
  dtls: { burst: 1_000, perSecond: 500 },
  /** Feedback: transport-wide reports 20 a second, and NACKs on a lossy path. */
  rtcp: { burst: 600, perSecond: 300 },
  /** A viewer that does not talk sends no media. */
  rtp: { burst: 50, perSecond: 10 },
} as const satisfies Record<string, Rate>

type Kind = keyof typeof RATES

/** The voice of a viewer that may talk: packets of 20 ms, or of 10. */
const VOICE_RATE = { burst: 300, perSecond: 200 } as const satisfies Rate

/** A TURN server's ChannelData wraps one of the other kinds. RFC 8656 §12.4. */
const CHANNEL_DATA_HEADER = 4

/** Limits the datagrams that one session processes, before any parsing. */
export class DatagramLimit {
  readonly #onExceeded: () => void
  readonly #rates: Readonly<Record<Kind, Rate>>
  readonly #now: () => number
  readonly #buckets = new Map<Kind, Bucket>()
  #exceeded = false

  /** `onExceeded` is called once; `talk`: the viewer may send its voice. */
  constructor(
    onExceeded: () => void,
    {
      talk = false,
      now = performance.now.bind(performance),
    }: { talk?: boolean | undefined; now?: () => number } = {},
  ) {
    this.#onExceeded = onExceeded
    this.#rates = talk ? { ...RATES, rtp: VOICE_RATE } : RATES
    this.#now = now
  }

  accepts(datagram: Buffer): boolean {
    const kind = datagram.length > MAX_BYTES ? undefined : kindOf(datagram)
    if (kind === undefined) return false
    const now = this.#now()
    const bucket = this.#buckets.get(kind) ?? { left: this.#rates[kind].burst, at: now, dropped: 0 }
    this.#buckets.set(kind, bucket)
    if (take(bucket, this.#rates[kind], now)) return true
    if (!this.#exceeded && bucket.dropped >= MAX_DROPPED) {
      this.#exceeded = true
      this.#onExceeded()
    }
    return false
  }
}

interface Bucket {
  left: number
  /** ms */
  at: number
  /** Since it was full. */
  dropped: number
}

function take(bucket: Bucket, { burst, perSecond }: Rate, now: number): boolean {
  bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) * perSecond) / 1_000)
  bucket.at = now
  if (bucket.left >= burst) bucket.dropped = 0
  if (bucket.left < 1) {
    bucket.dropped++
    return false
  }
  bucket.left--
  return true
}

function kindOf(datagram: Buffer): Kind | undefined {
  const [first = 255] = datagram
  const isChannelData = first >= 64 && first <= 79
  return kindAt(datagram, isChannelData ? CHANNEL_DATA_HEADER : 0)
}

function kindAt(datagram: Buffer, at: number): Kind | undefined {
  const first = datagram[at] ?? 255
  if (first <= 3) return 'stun'
  if (first >= 20 && first <= 63) return 'dtls'
  if (first < 128 || first > 191) return undefined
  const type = datagram[at + 1] ?? 0
  return type >= 192 && type <= 223 ? 'rtcp' : 'rtp'
}

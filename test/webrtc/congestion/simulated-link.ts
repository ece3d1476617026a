import { seededRandom } from '#dev/harness/random.ts'
import { Estimator } from '#services/webrtc/congestion/estimator.ts'
import { type PacketArrival, type Probe, SentPackets } from '#services/webrtc/congestion/sent-packets.ts'
import { Prober } from '#services/webrtc/video/rate-control.ts'

/** A bottleneck: a token bucket with a queue, in simulated time. */
export interface LinkOptions {
  /** bit/s at this time, ms. */
  rate: (now: number) => number
  /** One way, ms. */
  delay?: number
  /** Longest wait in the queue, ms; what does not fit is lost. */
  queue?: number
  /** Share of packets lost at random. */
  loss?: number
  /** Nothing comes back from the viewer. */
  mute?: boolean
  /** bit/s of the video at most; the estimate bounds it as well. */
  video?: number
  /** Largest random extra delay of a packet, ms. */
  jitter?: number
}

const FRAME = 1_000 / 15
const PACKET = 1_200
const FEEDBACK = 100
const STEP = 5

/** One viewer behind a simulated link: video at 15 pictures a second that follows the estimate, padding when asked. */
export function simulate(options: LinkOptions, random = seededRandom(7)) {
  const max = 1_950_000
  const estimator = new Estimator({ start: 600_000, min: 150_000, max })
  const prober = new Prober(max)
  const sent = new SentPackets()
  const { rate, delay = 10, queue = 600, loss = 0, mute = false, video = 1_500_000, jitter = 0 } = options
  let free = 0 // when the bottleneck has sent all that waits
  let now = 0
  let nextFrame = 0
  let nextFeedback = FEEDBACK
  let probing: { probe: Probe; left: number; every: number; at: number } | undefined
  let inFlight: PacketArrival[] = []
  const history: { at: number; target: number; queue: number }[] = []

  const send = (size: number, probe?: Probe) => {
    const sequence = sent.add(size, now, probe)
    const waits = Math.max(0, free - now)
    if (random() < loss || waits > queue) return inFlight.push({ sequence, at: undefined })
    free = Math.max(free, now) + (size * 8_000) / rate(now)
    return inFlight.push({ sequence, at: free + delay + random() * jitter })
  }
  const sendFrame = () => {
    const bytes = Math.min(video, estimator.target * 0.85) / 15 / 8
    for (let left = bytes; left > 0; left -= PACKET) send(Math.min(PACKET, left))
    nextFrame += FRAME
  }
  const giveFeedback = () => {
    nextFeedback += FEEDBACK
    const due = inFlight.filter(({ at }) => at === undefined || at <= now - delay)
    const newest = Math.max(-1, ...due.flatMap(({ at, sequence }) => (at === undefined ? [] : [sequence])))
    // a viewer knows of a loss only by a later packet
    const known = due.filter(({ at, sequence }) => at !== undefined || sequence < newest)
    inFlight = inFlight.filter((one) => !known.includes(one))
    if (mute || known.length === 0) return
    estimator.transportFeedback(sent.acknowledge(known.toSorted((a, b) => a.sequence - b.sequence)), now)
    const at = prober.next(estimator, now)
    if (at) {
      const packets = Math.max(8, Math.ceil((at * 80) / 8_000 / PACKET))
      probing = { probe: { packets }, left: packets, every: (PACKET * 8_000) / at, at: now }
    }
  }
  return {
    history,
    estimator,
    /** Lets so many milliseconds pass. */
    run(ms: number) {
      for (const end = now + ms; now < end; now += STEP) {
        while (probing && probing.left > 0 && probing.at <= now) {
          send(PACKET, probing.probe)
          probing.left--
          probing.at += probing.every
        }
        if (now >= nextFrame) sendFrame()
        if (now >= nextFeedback) giveFeedback()
        history.push({ at: now, target: estimator.target, queue: Math.max(0, free - now) })
      }
    },
    get now() {
      return now
    },
  }
}

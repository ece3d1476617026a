import type { Padding } from '../rtp/rtp-sender.ts'
import type { Probe } from './sent-packets.ts'

/** How long a probe takes, in milliseconds, and of how many packets it may be made. */
const DURATION = 80
const LEAST = 8
const MOST = 60
const TICK = 5

/** Sends padding at `rate` (bit/s) for a moment; disposing ends it early. */
export function runProbe(rate: number, padding: Padding): Disposable {
  const bytes = (rate * DURATION) / 8_000
  const probe: Probe = { packets: Math.min(MOST, Math.max(LEAST, Math.ceil(bytes / padding.size))) }
  const begun = performance.now()
  let packets = 0
  let sent = 0
  let timer: NodeJS.Timeout | undefined
  const send = () => {
    const due = ((performance.now() - begun + TICK) * rate) / 8_000
    while (sent < due && packets < probe.packets) {
      const size = padding.send(probe)
      if (size === 0) return // the session is over
      sent += size
      packets++
    }
    if (packets < probe.packets) timer = setTimeout(send, TICK)
  }
  send()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

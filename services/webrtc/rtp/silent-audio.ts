/** One frame of digital silence: Opus, CELT fullband, 20 ms, one channel. RFC 6716 §3.1. */
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe])
const FRAME = 20
/** RTP ticks of one frame at 48 kHz. RFC 7587 §4.1. */
const TICKS = 960

export interface AudioSink {
  /** One RTP payload; `timestamp` at 48 kHz, `capturedAt` in ms since the epoch. */
  audio(payload: Buffer, timestamp: number, capturedAt: number): void
}

/** The audio of all viewers: silence, 50 packets a second, while somebody listens. */
export interface Silence extends Disposable {
  listen(sink: AudioSink): Disposable
}

/** Behind by more than this, the clock is followed and the hole left; by less, it is made up for. Milliseconds. */
const MAX_BEHIND = 1_000

/**
 * Paced against the monotonic clock: a late timer shortens the next wait. What a stall has cost is made up for at twice
 * the pace, never in a burst.
 */
export function createSilence(): Silence {
  const sinks = new Set<AudioSink>()
  const start = performance.now()
  const base = Math.floor(Math.random() * 2 ** 32)
  let index = 0
  let timer: NodeJS.Timeout | undefined
  const behind = () => performance.now() - start - (index + 1) * FRAME
  const tick = () => {
    index = behind() > MAX_BEHIND ? Math.floor((performance.now() - start) / FRAME) : index + 1
    for (const sink of sinks) sink.audio(SILENCE, (base + index * TICKS) >>> 0, Date.now())
    schedule()
  }
  const schedule = () => {
    timer = sinks.size > 0 ? setTimeout(tick, Math.max(FRAME / 2, -behind())) : undefined
  }
  return {
    listen(sink) {
      sinks.add(sink)
      if (!timer) {
        index = Math.floor((performance.now() - start) / FRAME)
        schedule()
      }
      return { [Symbol.dispose]: () => void sinks.delete(sink) }
    },
    [Symbol.dispose]() {
      sinks.clear()
      clearTimeout(timer)
    },
  }
}

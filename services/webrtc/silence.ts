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

/**
 * Paced against the monotonic clock: a late timer shortens the next wait, and what a stall has cost is left out instead
 * of sent in a burst; the timestamps show the hole.
 */
export function createSilence(): Silence {
  const sinks = new Set<AudioSink>()
  const start = performance.now()
  const base = Math.floor(Math.random() * 2 ** 32)
  let index = 0
  let timer: NodeJS.Timeout | undefined
  const tick = () => {
    index = Math.max(index + 1, Math.floor((performance.now() - start) / FRAME))
    for (const sink of sinks) sink.audio(SILENCE, (base + index * TICKS) >>> 0, Date.now())
    schedule()
  }
  const schedule = () => {
    const wait = start + (index + 1) * FRAME - performance.now()
    timer = sinks.size > 0 ? setTimeout(tick, Math.max(0, wait)) : undefined
  }
  return {
    listen(sink) {
      sinks.add(sink)
      if (!timer) schedule()
      return { [Symbol.dispose]: () => void sinks.delete(sink) }
    },
    [Symbol.dispose]() {
      sinks.clear()
      clearTimeout(timer)
    },
  }
}

/** One frame of digital silence: Opus, CELT fullband, 20 ms, one channel. RFC 6716 §3.1. */
const SILENT_FRAME = Buffer.from([0xf8, 0xff, 0xfe])
const FRAME_MS = 20
/** RTP ticks of one frame at 48 kHz. RFC 7587 §4.1. */
const FRAME_TICKS = 960
/** A longer delay leaves a gap in the audio; a shorter one is made up for. */
const MAX_DELAY_MS = 1_000

export interface AudioSink {
  /** One RTP payload; `timestamp` at 48 kHz, `capturedAt` in ms since the epoch. */
  audio(payload: Buffer, timestamp: number, capturedAt: number): void
}

/** The audio track of all viewers: silence, 50 packets a second while there is a sink. */
export interface SilentAudio extends Disposable {
  listen(sink: AudioSink): Disposable
}

/**
 * Paced by the monotonic clock: a late timer shortens the next wait. The delay of a stall is made up for at twice the
 * rate, never in a burst.
 */
export function createSilentAudio(now = performance.now.bind(performance)): SilentAudio {
  const sinks = new Set<AudioSink>()
  const start = now()
  const base = Math.floor(Math.random() * 2 ** 32)
  let index = 0
  let timer: NodeJS.Timeout | undefined
  const delay = () => now() - start - (index + 1) * FRAME_MS
  const current = () => Math.floor((now() - start) / FRAME_MS)
  const tick = () => {
    index = delay() > MAX_DELAY_MS ? current() : index + 1
    for (const sink of sinks) sink.audio(SILENT_FRAME, (base + index * FRAME_TICKS) >>> 0, Date.now())
    schedule()
  }
  const schedule = () => {
    timer = sinks.size > 0 ? setTimeout(tick, Math.max(FRAME_MS / 2, -delay())) : undefined
  }
  return {
    listen(sink) {
      sinks.add(sink)
      if (!timer) {
        index = current()
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

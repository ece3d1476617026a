/// <reference lib="dom" />
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { alignments } from '#test/audio/alignment.ts'
import { chirp, toWav } from '#test/audio/signals.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const SAMPLES_PER_MS = 48
/** Of each second that the fake microphone plays, in samples: a chirp, then silence. */
const SOUND = 38_400
/** Samples: how far from a position the times count. */
const NEAR = 24_000
/** From the mouth to the speaker, ms: what is sought. */
const [LEAST_DELAY_MS, MOST_DELAY_MS] = [0, 700]

/** Samples, and when each began, ms since the epoch. */
class Recording {
  readonly samples: Int16Array
  /** Number of a sample, and when it was there at the latest. */
  readonly #times: readonly (readonly [position: number, at: number])[]

  constructor(samples: Int16Array, times: readonly (readonly [position: number, at: number])[]) {
    this.samples = samples
    this.#times = times
  }

  /** A process may note a time late, never early: the earliest of the second around it counts. */
  timeOf(position: number): number {
    const near = this.#times.filter(([from]) => Math.abs(from - position) <= NEAR)
    return Math.min(...near.map(([from, at]) => at + (position - from) / SAMPLES_PER_MS))
  }

  /** The inverse of {@link timeOf}, by the whole recording. */
  positionOf(time: number): number {
    const [position, at] = this.#times.findLast(([, one]) => one <= time) ?? [0, 0]
    return position + (time - at) * SAMPLES_PER_MS
  }
}

/** Samples of the microphone. */
interface Chunk {
  /** By the clock of the device, and when the page read them, ms since the epoch. */
  end: number
  readAt: number
  samples: Int16Array
}

/** What was spoken into a page and what the robot played, second by second. */
export interface Talked {
  seconds: number
  /** Correlation of a second with what was spoken. */
  correlation: { median: number; p10: number; best: number }
  /** Share of the seconds with at least 0.9. */
  whole: number
  /** From the page's microphone to the robot's speaker, ms; medians of the first and last fifth. */
  delay: { p50: number; p95: number; first: number; last: number }
}

/** A microphone that chirps, and a speaker that records. */
export class TalkMeter {
  readonly #folder: string
  readonly #spoken = {
    /** By the clock of the device. */
    times: [] as [position: number, at: number][],
    /** To ours. */
    offset: Number.POSITIVE_INFINITY,
    parts: [] as Int16Array[],
    count: 0,
  }
  /** Of {@link launchBrowser}. */
  readonly microphone: string
  /** `audio.speaker` of the robot. */
  readonly speaker: { type: 'exec'; command: string[] }

  constructor(t: TestContext) {
    this.#folder = temporaryFolder(t)
    this.microphone = join(this.#folder, 'microphone.wav')
    const speech = Int16Array.from({ length: 480_000 }, (_, i) =>
      i % 48_000 < SOUND ? chirp(i / 48_000) : 0,
    )
    writeFileSync(this.microphone, toWav(speech))
    const files = ['--out', join(this.#folder, 'heard.raw'), '--times', join(this.#folder, 'times')]
    this.speaker = { type: 'exec', command: [process.execPath, 'test/audio/record.ts', ...files] }
  }

  /** Fetches what the page has spoken; a long talk would fill its memory. */
  async fetch(page: Page): Promise<void> {
    const chunks = await page.evaluate(() => {
      const { spoken } = globalThis as unknown as { spoken: Chunk[] }
      return spoken.splice(0).map(({ samples, ...times }) => {
        const bytes = new Uint8Array(samples.buffer)
        return { ...times, text: btoa(String.fromCharCode(...bytes)) }
      })
    })
    const { times, parts } = this.#spoken
    for (const { end, readAt, text } of chunks) {
      const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
      const samples = new Int16Array(bytes.buffer)
      parts.push(samples)
      this.#spoken.count += samples.length
      times.push([this.#spoken.count, end])
      // the earliest reading
      this.#spoken.offset = Math.min(this.#spoken.offset, readAt - end)
    }
  }

  /** Compares what the page has spoken since it opened its microphone with what was played. */
  async compare(page: Page): Promise<Talked> {
    await this.fetch(page)
    const [heard, spoken] = [this.#heard(), this.#said()]
    const middle = (LEAST_DELAY_MS + MOST_DELAY_MS) / 2
    const found = alignments(heard.samples, spoken.samples, {
      expected: (position) => spoken.positionOf(heard.timeOf(position) - middle),
      range: (MOST_DELAY_MS - middle) * SAMPLES_PER_MS,
    })
    const values = found.map(({ correlation }) => correlation)
    const delays = found.map(({ at, position }) => heard.timeOf(at) - spoken.timeOf(position))
    const fifth = Math.ceil(delays.length / 5)
    return {
      seconds: found.length,
      correlation: {
        median: percentile(values, 0.5),
        p10: percentile(values, 0.1),
        best: Math.max(...values),
      },
      whole: values.filter((one) => one >= 0.9).length / values.length,
      delay: {
        p50: percentile(delays, 0.5),
        p95: percentile(delays, 0.95),
        first: percentile(delays.slice(0, fifth), 0.5),
        last: percentile(delays.slice(-fifth), 0.5),
      },
    }
  }

  #said(): Recording {
    const { parts, times, count, offset } = this.#spoken
    const samples = new Int16Array(count)
    let at = 0
    for (const part of parts) {
      samples.set(part, at)
      at += part.length
    }
    return new Recording(
      samples,
      times.map(([position, at]) => [position, at + offset]),
    )
  }

  #heard(): Recording {
    const bytes = readFileSync(join(this.#folder, 'heard.raw'))
    const lines = readFileSync(join(this.#folder, 'times'), 'utf8').trim().split('\n')
    const times = lines.map((line) => line.split(' ').map(Number) as [at: number, bytes: number])
    const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
    return new Recording(
      samples,
      times.map(([at, before]) => [before / 2, at]),
    )
  }
}

/** A browser context whose pages speak, without processing by the browser, and note what they speak. */
export async function openSpeakers(
  t: TestContext,
  options: Parameters<typeof launchBrowser>[0],
): Promise<BrowserContext> {
  const browser = await launchBrowser(options)
  closeAfter(t, () => browser.close())
  const context = await browser.newContext({ bypassCSP: true })
  await context.addInitScript(observeMicrophone)
  return context
}

/** Chromium's, not in the types of the DOM. */
declare class MediaStreamTrackProcessor {
  constructor(options: { track: MediaStreamTrack; maxBufferSize: number })
  readonly readable: ReadableStream<AudioData>
}

/** Before the page loads. `spoken` has the samples of the microphone, as they come from the device. */
function observeMicrophone() {
  const spoken: Chunk[] = []
  Object.assign(globalThis, { spoken })
  const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
  const read = async (track: MediaStreamTrack) => {
    // a page that is busy reads later, and loses nothing
    const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 3_000 })
    const reader = readable.getReader()
    for (let { value } = await reader.read(); value; { value } = await reader.read()) {
      const floats = new Float32Array(value.numberOfFrames)
      value.copyTo(floats, { planeIndex: 0, format: 'f32-planar' })
      // the device may have 44.1 kHz; linear interpolation is good enough below 1 kHz
      const step = value.sampleRate / 48_000
      const samples = Int16Array.from({ length: Math.round(floats.length / step) }, (_, i) => {
        const at = i * step
        const from = floats[Math.floor(at)] ?? 0
        const to = floats[Math.floor(at) + 1] ?? from
        return Math.round((from + (to - from) * (at % 1)) * 32_767)
      })
      // a clock of its own, which is never ahead of ours by more than the delay of the reading
      const end = value.timestamp / 1_000 + value.duration / 1_000
      spoken.push({ end, readAt: performance.timeOrigin + performance.now(), samples })
      value.close()
    }
  }
  navigator.mediaDevices.getUserMedia = async () => {
    const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    const stream = await getUserMedia({ audio: { ...off, channelCount: 1, sampleRate: 48_000 } })
    for (const track of stream.getAudioTracks()) void read(track.clone())
    return stream
  }
}

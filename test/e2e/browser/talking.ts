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

/** Samples of the microphone, and when the last one was spoken. */
interface Chunk {
  at: number
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
  readonly #spoken: { times: [position: number, at: number][]; parts: Int16Array[]; count: number } = {
    times: [],
    parts: [],
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
      return spoken.splice(0).map(({ at, samples }) => {
        const bytes = new Uint8Array(samples.buffer)
        return { at, text: btoa(String.fromCharCode(...bytes)) }
      })
    })
    const { times, parts } = this.#spoken
    for (const { at, text } of chunks) {
      const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
      const samples = new Int16Array(bytes.buffer)
      parts.push(samples)
      this.#spoken.count += samples.length
      times.push([this.#spoken.count, at])
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
    const { parts, times, count } = this.#spoken
    const samples = new Int16Array(count)
    let at = 0
    for (const part of parts) {
      samples.set(part, at)
      at += part.length
    }
    return new Recording(samples, times)
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

/** Before the page loads. `spoken` has chunks of samples, each with the time of its end. */
function observeMicrophone() {
  const spoken: Chunk[] = []
  Object.assign(globalThis, { spoken })
  const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
  // on the thread of the sound, so that a busy page notes no later time
  const tap = `registerProcessor('tap', class extends AudioWorkletProcessor {
    #samples = new Int16Array(1920)
    #count = 0
    process([[channel]]) {
      if (!channel) return true
      for (const sample of channel) this.#samples[this.#count++] = Math.round(sample * 32767)
      if (this.#count === 1920) {
        this.port.postMessage({ at: Date.now(), samples: this.#samples.slice() })
        this.#count = 0
      }
      return true
    }
  })`
  navigator.mediaDevices.getUserMedia = async () => {
    const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    const stream = await getUserMedia({ audio: off })
    const context = new AudioContext({ sampleRate: 48_000 })
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([tap], { type: 'text/javascript' })))
    const node = new AudioWorkletNode(context, 'tap', { channelCount: 1, channelCountMode: 'explicit' })
    node.port.onmessage = ({ data }) => spoken.push(data)
    context.createMediaStreamSource(stream).connect(node).connect(context.destination)
    return stream
  }
}

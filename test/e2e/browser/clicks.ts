/// <reference lib="dom" />
import type { Page } from 'playwright-core'
import { percentile } from '#dev/harness/statistics.ts'

/** Notes when the page hears a click, on the thread of the sound, so that a busy page notes no later time. */
export async function listenForClicks(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const source = `registerProcessor('clicks', class extends AudioWorkletProcessor {
      #quietUntil = 0
      process([[channel]]) {
        const now = Date.now()
        const first = channel?.findIndex((sample) => Math.abs(sample) > 0.1) ?? -1
        if (first < 0 || now < this.#quietUntil) return true
        this.#quietUntil = now + 500
        this.port.postMessage(now + (first * 1000) / sampleRate)
        return true
      }
    })`
    const clicks: number[] = []
    Object.assign(globalThis, { clicks })
    const stream = document.querySelector('video')?.srcObject as MediaStream
    const context = new AudioContext()
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })))
    const node = new AudioWorkletNode(context, 'clicks')
    node.port.onmessage = ({ data }) => clicks.push(data)
    context.createMediaStreamSource(stream).connect(node).connect(context.destination)
  })
}

/** Times (ms since the epoch) at which the page has heard clicks since the last call. */
export function clicksHeard(page: Page): Promise<number[]> {
  return page.evaluate(() => (globalThis as unknown as { clicks: number[] }).clicks.splice(0))
}

/** Of the clicks, which begin with the seconds of the robot's clock, that is ours. */
export interface LipSync {
  clicks: number
  /** Ages when they were heard, and of the frames of that time when they were shown (medians, ms). */
  sound: number
  picture: number
  /** Click heard minus frame shown (ms): median, and the share of the clicks within ±40. */
  apart: number
  within40: number
  /** The largest of 90 % of the clicks. */
  p90: number
}

/** Compares clicks and frames of the next `ms`. The page must show the clock of the synthetic source (`?latency`). */
export async function lipSync(page: Page, ms: number): Promise<LipSync> {
  await clicksHeard(page)
  await new Promise((resolve) => setTimeout(resolve, ms))
  const frames = await page.evaluate(() =>
    globalThis.wimz.pictures.flatMap(([at, age]) =>
      age === null ? [] : { shown: at + performance.timeOrigin, age },
    ),
  )
  const pairs = (await clicksHeard(page)).flatMap((heard) => {
    const second = Math.floor(heard / 1_000) * 1_000
    // the frame that was captured when the click began
    const near = frames
      .map(({ shown, age }) => ({ age, distance: Math.abs(shown - age - second) }))
      .reduce((one, other) => (other.distance < one.distance ? other : one), { age: 0, distance: 100 })
    return near.distance < 100 ? [{ sound: heard - second, picture: near.age }] : []
  })
  const apart = pairs.map(({ sound, picture }) => sound - picture)
  return {
    clicks: pairs.length,
    sound: percentile(
      pairs.map(({ sound }) => sound),
      0.5,
    ),
    picture: percentile(
      pairs.map(({ picture }) => picture),
      0.5,
    ),
    apart: percentile(apart, 0.5),
    within40: apart.filter((one) => Math.abs(one) <= 40).length / apart.length,
    p90: percentile(apart.map(Math.abs), 0.9),
  }
}

/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { Browser, Page } from 'playwright-core'
import { until } from '#dev/harness/until.ts'

/** What a viewer page shows of itself, read from its peer connection and video element. */
export interface Reading {
  at: number
  framesDecoded: number
  freezes: number
  /** Seconds of all freezes together. */
  frozen: number
  /** RTP packets. */
  lost: number
  bytes: number
}

/** The handles that the viewer page leaves for tests on `window.wimz`. */
interface PageHandles {
  pc: RTCPeerConnection | null
  channel: RTCDataChannel | null
  latency: { p50: number; p95: number; n: number } | null
  firstFrameMs: number | null
  /** Driving is locked while the picture is older than this, ms. */
  freshness: { maxAge: number }
  /** When each of the last 1000 pictures was shown and how old it was, ms, and its height. */
  pictures: [at: number, age: number | null, height: number][]
}

declare global {
  // the page's own global; only its fields that tests read
  var wimz: PageHandles
}

/** Opens the viewer page and waits for the first decoded picture. */
export async function openViewer(
  browser: Pick<Browser, 'newPage'>,
  url: string,
  within = 15_000,
): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(url)
  await waitForFrames(page, 1, within)
  return page
}

/** Waits until the page has decoded this many more pictures than now; resolves to the time that took, in ms. */
export async function waitForFrames(page: Page, count: number, within: number): Promise<number> {
  const start = performance.now()
  const before = await shown(page)
  // a new connection starts a new count, so a lower one means progress as well
  let last = before
  let more = 0
  const enough = async () => {
    const now = await shown(page)
    more += now >= last ? now - last : now
    last = now
    return more >= count
  }
  await until(enough, { deadline: within, every: 30, show: () => ({ more, count }) })
  return performance.now() - start
}

function shown(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0)
}

/** Counters of the page's inbound video. */
export function read(page: Page): Promise<Reading> {
  return page.evaluate(async () => {
    const reading = { at: performance.now(), framesDecoded: 0, freezes: 0, frozen: 0, lost: 0, bytes: 0 }
    for (const stat of (await globalThis.wimz.pc?.getStats())?.values() ?? []) {
      if (stat.type !== 'inbound-rtp' || stat.kind !== 'video') continue
      reading.framesDecoded = stat.framesDecoded
      reading.freezes = stat.freezeCount
      reading.frozen = stat.totalFreezesDuration
      reading.lost = stat.packetsLost
      reading.bytes = stat.bytesReceived
    }
    return reading
  })
}

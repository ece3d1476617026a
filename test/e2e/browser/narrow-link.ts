/// <reference lib="dom" />
import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { openViewer } from '#dev/harness/page.ts'
import { startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { type Network, openNetwork } from '#test/helpers/netns.ts'

/** What a viewer saw over some time. */
export interface Seen {
  fps: number
  /** Age on the screen, ms; of pictures that show a clock. */
  p50: number
  p95: number
  /** Longest time between two pictures, ms. */
  longest: number
  /** Of the last picture. */
  height: number
}

/** The whole robot in one network, Chromium in another, and the link between them. */
export async function openNarrowLink(t: TestContext): Promise<{ network: Network; page: Page }> {
  const network = openNetwork(t)
  const host = network.address.robot
  const [port, token] = [18_080, 'narrow']
  const stack = await startStack(
    {
      cloud: {
        relay_url: `ws://127.0.0.1:${port}/ws/device`,
        device_id: 'wimz_test',
        device_secret: 'test-only',
      },
      local_relay: { enabled: true, host: '0.0.0.0', port, token },
      vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    },
    { start: (program, args, options) => network.spawn('robot', program, args, options) },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const origin = `http://${host}:${port}`
  const browser = await launchBrowser({
    executablePath: network.wrapper('viewer', '/usr/bin/chromium'),
    trusted: origin,
  })
  closeAfter(t, () => browser.close())
  const page = await openViewer(browser, `${origin}/?latency&token=${token}`)
  return { network, page }
}

/** Watches for so many milliseconds. */
export async function watch(page: Page, ms: number): Promise<Seen> {
  const from = await page.evaluate(() => performance.now())
  await new Promise((resolve) => setTimeout(resolve, ms))
  const { pictures, until } = await page.evaluate(
    (since) => ({
      pictures: globalThis.wimz.pictures.filter(([at]) => at >= since),
      until: performance.now(),
    }),
    from,
  )
  const times = [from, ...pictures.map(([at]) => at), until]
  const ages = pictures.flatMap(([, age]) => age ?? []).toSorted((a, b) => a - b)
  const rank = (share: number) => Math.round(ages[Math.floor(ages.length * share)] ?? Number.NaN)
  return {
    fps: Math.round((pictures.length * 10_000) / (until - from)) / 10,
    p50: rank(0.5),
    p95: rank(0.95),
    longest: Math.round(Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at)))),
    height: pictures.at(-1)?.[2] ?? 0,
  }
}

/** Milliseconds until the picture has this height; undefined: it had not within `within`. */
export async function untilHeight(page: Page, height: number, within: number): Promise<number | undefined> {
  const start = performance.now()
  while (performance.now() - start < within) {
    if ((await page.evaluate(() => document.querySelector('video')?.videoHeight)) === height) {
      return Math.round(performance.now() - start)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return undefined
}

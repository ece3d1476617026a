import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { collect } from '#dev/harness/collect.ts'
import { openViewer, read } from '#dev/harness/page.ts'
import { print } from '#dev/harness/print.ts'
import { cpuOf, pss, rss } from '#dev/harness/process-usage.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'

/** Duration of each measurement (ms). */
const WATCH = 20_000
const FIRST_FRAMES = 15

const fixed = (value: number | undefined, digits = 0) => (value ?? Number.NaN).toFixed(digits)

/** Capture to screen, read from the clock that the synthetic source draws. */
async function glassToGlass(browser: Browser): Promise<void> {
  await using stack = await startStack({ vision: { source: { type: 'synthetic' } } })
  const page = await openViewer(browser, `${stack.page}?latency`)
  await sleep(3_000)
  await sleep(WATCH)
  const pictures = await page.evaluate(() => globalThis.wimz.pictures)
  const ages = pictures.flatMap(([, age]) => age ?? [])
  const gaps = pictures.slice(1).map(([at], i) => at - (pictures[i]?.[0] ?? at))
  const show = (samples: number[], fraction: number) => `${fixed(percentile(samples, fraction))} ms`
  print(
    `| glass to glass, 720p15 H.264, loopback | p50 ${show(ages, 0.5)}, p95 ${show(ages, 0.95)}, p99 ${show(ages, 0.99)} (${ages.length} frames) |`,
  )
  print(`| gap between two frames on the screen | p50 ${show(gaps, 0.5)}, p99 ${show(gaps, 0.99)} |`)
  await page.close()
}

/** From the page's webrtc_request to its first decoded frame, without another viewer. */
async function firstFrame(browser: Browser, stack: Stack): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < FIRST_FRAMES; i++) {
    const page = await openViewer(browser, stack.page)
    await page.waitForFunction(() => globalThis.wimz.firstFrameMs !== null)
    times.push((await page.evaluate(() => globalThis.wimz.firstFrameMs)) ?? Number.NaN)
    await page.close()
    await sleep(1_500)
  }
  print(
    `| request to first decoded frame | p50 ${fixed(percentile(times, 0.5))} ms, p95 ${fixed(percentile(times, 0.95))} ms (${times.length} pages, one after another) |`,
  )
}

async function load(browser: Browser, stack: Stack): Promise<void> {
  const bus = await stack.join('bench')
  const detections = await collect(bus, topics.detections)
  const pages: Page[] = []
  const rows: Map<string, number>[] = []
  const rates: string[] = []
  for (let viewers = 0; viewers <= 2; viewers++) {
    if (viewers > 0) pages.push(await openViewer(browser, stack.page))
    await sleep(8_000)
    const [before, seen] = [await Promise.all(pages.map(read)), detections.all.length]
    rows.push(await cpuOf(stack.pids, () => sleep(WATCH)))
    const after = await Promise.all(pages.map(read))
    const fps = after.map((end, i) => {
      const start = before[i]
      return start ? ((end.framesDecoded - start.framesDecoded) * 1000) / (end.at - start.at) : Number.NaN
    })
    const perSecond = ((detections.all.length - seen) * 1000) / WATCH
    rates.push(
      `${viewers} viewers: ${fixed(perSecond, 1)} detections/s, ${fps.map((rate) => fixed(rate, 1)).join(' and ') || 'no'} pictures/s`,
    )
  }
  print(`| detections while video plays | ${rates.join('; ')} |`)
  print()
  print('| process | CPU, 0 viewers | 1 viewer | 2 viewers | RSS with 2 | PSS |')
  print('|---|---|---|---|---|---|')
  for (const [name, pid] of stack.pids) {
    const cells = rows.map((row) => `${fixed(row.get(name), 1)} %`)
    print(`| ${name} | ${cells.join(' | ')} | ${fixed(rss(pid))} MiB | ${fixed(pss(pid))} MiB |`)
  }
}

print(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; the browser runs on the same machine`,
)
print()
print('| what | figure |')
print('|---|---|')
const browser = await launchBrowser()
try {
  await glassToGlass(browser)
  await using stack = await startStack()
  await firstFrame(browser, stack)
  await load(browser, stack)
} finally {
  await browser.close()
}

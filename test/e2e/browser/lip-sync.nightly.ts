import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { openViewer } from '#dev/harness/page.ts'
import { startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { type LipSync, lipSync, listenForClicks } from './clicks.ts'
import { untilHeight } from './narrow-link.ts'

const STALL_MS = 1_000
/** Until the browser's estimate of the two delays has followed: libwebrtc changes them by 80 ms a second at most. */
const SETTLE_MS = 10_000
/** Most that sound and picture may be apart: less is not seen. */
const MAX_APART_MS = 40

async function setQuality(page: Page, mode: string): Promise<void> {
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
  const text = JSON.stringify({ command: 'set_video_quality', mode })
  await page.evaluate((message) => globalThis.wimz.channel?.send(message), text)
}

test('a click and the frame of the same moment are heard and seen together', {
  skip: without('chromium'),
  timeout: 400_000,
}, async (t) => {
  const stack = await startStack(
    {
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      audio: { source: { type: 'synthetic' } },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  const context = await browser.newContext({ bypassCSP: true })
  const page = await openViewer({ newPage: () => context.newPage() }, `${stack.page}?latency`, 60_000)
  await page.evaluate(() => document.getElementById('sound')?.click())
  await setQuality(page, 'high')
  await listenForClicks(page)
  await sleep(SETTLE_MS)
  const check = (seen: LipSync, least: number) => {
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen.clicks >= least, `${seen.clicks} clicks`)
    assert.ok(Math.abs(seen.apart) <= MAX_APART_MS, `${seen.apart} ms apart`)
    assert.ok(seen.within40 >= 0.9, `${seen.within40} of the clicks within 40 ms`)
  }

  await t.test('for 60 s', async () => check(await lipSync(page, 60_000), 50))

  for (const service of ['audio', 'vision', 'webrtc']) {
    await t.test(`after ${service} has stood still for 1 s`, async () => {
      const pid = stack.pids.get(service) ?? 0
      process.kill(pid, 'SIGSTOP')
      await sleep(STALL_MS)
      process.kill(pid, 'SIGCONT')
      await sleep(SETTLE_MS)
      check(await lipSync(page, 20_000), 15)
    })
  }

  await t.test('after the layer has changed, twice', async () => {
    await setQuality(page, 'low')
    assert.ok((await untilHeight(page, 360, 15_000)) !== undefined)
    await setQuality(page, 'high')
    assert.ok((await untilHeight(page, 720, 15_000)) !== undefined)
    await sleep(SETTLE_MS)
    check(await lipSync(page, 20_000), 15)
  })
})

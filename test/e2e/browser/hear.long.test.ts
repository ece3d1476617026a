import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { collect } from '#dev/harness/collect.ts'
import { openViewer } from '#dev/harness/page.ts'
import { cpuOf } from '#dev/harness/process-usage.ts'
import { startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { type LipSync, lipSync, listenForClicks } from './clicks.ts'

const MEASURE_MS = 20_000

/** What the page's peer connection counts of the sound. */
function hear(page: Page) {
  return page.evaluate(async () => {
    const stats = [...((await globalThis.wimz.pc?.getStats())?.values() ?? [])]
    const audio = stats.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')
    return {
      energy: audio?.totalAudioEnergy ?? 0,
      seconds: audio?.totalSamplesDuration ?? 0,
      lost: audio?.packetsLost ?? 0,
      concealed: (audio?.concealedSamples ?? 0) / (audio?.totalSamplesReceived ?? 1),
    }
  })
}

test('a page hears the robot, and the microphone is closed when it leaves', {
  skip: without('chromium'),
  timeout: 180_000,
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
  const states = await collect(await stack.join(), topics.audioState)
  await states.next({ where: ({ audio_ok }) => audio_ok === null })
  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  const context = await browser.newContext({ bypassCSP: true })
  const page = await openViewer({ newPage: () => context.newPage() }, `${stack.page}?latency`, 60_000)
  await page.evaluate(() => document.getElementById('sound')?.click())
  // only these frames are wide enough for the clock, which the diagnostics compare with the clicks
  const high = JSON.stringify({ command: 'set_video_quality', mode: 'high' })
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
  await page.evaluate((text) => globalThis.wimz.channel?.send(text), high)
  await until(async () => (await hear(page)).energy > 0.001, { deadline: 30_000 })
  await listenForClicks(page)
  await sleep(5_000)

  const first = await hear(page)
  let together: LipSync | undefined
  const cpu = await cpuOf(stack.pids, async () => {
    together = await lipSync(page, MEASURE_MS)
  })
  const last = await hear(page)
  t.diagnostic(JSON.stringify({ first, last, together }))
  t.diagnostic(JSON.stringify(Object.fromEntries(cpu)))
  // the mean square of the largest sample of each 10 ms: half of full scale, for 20 ms of a second and what is concealed
  const loudness = (last.energy - first.energy) / (last.seconds - first.seconds)
  assert.ok(loudness > 0.002 && loudness < 0.1, `mean square ${loudness}`)
  assert.equal(last.lost, 0, 'packets lost on loopback')
  const clicks = together?.clicks ?? 0
  assert.ok(clicks >= 10, `${clicks} clicks`)

  await page.close()
  await states.next({
    where: ({ audio_ok, demand }) => audio_ok === null && demand?.length === 0,
    within: 30_000,
  })
})

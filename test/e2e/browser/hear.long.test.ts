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

/** Ages (ms) of the clicks that the page hears within `ms`: they begin with the seconds of the robot's clock, which is ours. */
function clicks(page: Page, ms: number): Promise<number[]> {
  return page.evaluate(async (duration) => {
    const ages: number[] = []
    const stream = document.querySelector('video')?.srcObject as MediaStream
    const context = new AudioContext()
    const processor = context.createScriptProcessor(256, 1, 1)
    let quietUntil = 0
    processor.onaudioprocess = ({ inputBuffer }) => {
      const first = inputBuffer.getChannelData(0).findIndex((sample) => Math.abs(sample) > 0.1)
      const now = Date.now()
      if (first < 0 || now < quietUntil) return
      quietUntil = now + 500
      ages.push((now - ((256 - first) / context.sampleRate) * 1000) % 1000)
    }
    context.createMediaStreamSource(stream).connect(processor)
    processor.connect(context.destination)
    await new Promise((resolve) => setTimeout(resolve, duration))
    await context.close()
    return ages
  }, ms)
}

/** Ages (ms) of the newest pictures when they were shown, by the clock in them. */
function pictureAges(page: Page): Promise<number[]> {
  return page.evaluate(() => globalThis.wimz.pictures.slice(-200).flatMap(([, age]) => age ?? []))
}

const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

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
  const page = await openViewer(browser, `${stack.page}?latency`, 60_000)
  await page.evaluate(() => document.getElementById('sound')?.click())
  // only these frames are wide enough for the clock, which the diagnostics compare with the clicks
  const high = JSON.stringify({ command: 'set_video_quality', mode: 'high' })
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
  await page.evaluate((text) => globalThis.wimz.channel?.send(text), high)
  await until(async () => (await hear(page)).energy > 0.001, { deadline: 30_000 })
  await sleep(5_000)

  const first = await hear(page)
  let heard: number[] = []
  const cpu = await cpuOf(stack.pids, async () => {
    heard = await clicks(page, MEASURE_MS)
  })
  const last = await hear(page)
  const ages = { sound: median(heard), picture: median(await pictureAges(page)), clicks: heard.length }
  t.diagnostic(JSON.stringify({ first, last, ages }))
  t.diagnostic(JSON.stringify(Object.fromEntries(cpu)))
  // the mean square of the largest sample of each 10 ms: half of full scale, for 20 ms of a second and what is concealed
  const loudness = (last.energy - first.energy) / (last.seconds - first.seconds)
  assert.ok(loudness > 0.002 && loudness < 0.1, `mean square ${loudness}`)
  assert.equal(last.lost, 0, 'packets lost on loopback')
  assert.ok(heard.length >= 10, `${heard.length} clicks`)

  await page.close()
  await states.next({
    where: ({ audio_ok, demand }) => audio_ok === null && demand?.length === 0,
    within: 30_000,
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { openViewer } from '#dev/harness/page.ts'
import { startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { openSpeakers, TalkMeter } from './talking.ts'

const TALK_MS = 20_000

const note = (page: Page) => page.locator('#talk-note').textContent()

test('what is spoken into the browser is played by the robot, one viewer at a time', {
  skip: without('chromium'),
  timeout: 240_000,
}, async (t) => {
  const meter = new TalkMeter(t)
  const stack = await startStack(
    {
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      webrtc: { stun_servers: [], video: { width: 320, height: 180, fps: 10 } },
      audio: {
        source: { type: 'synthetic' },
        speaker: meter.speaker,
      },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const states = await collect(await stack.join(), topics.audioState)
  const context = await openSpeakers(t, { microphone: meter.microphone })
  const open = async () => {
    const page = await openViewer({ newPage: () => context.newPage() }, stack.page, 60_000)
    await page.locator('#talk:enabled').waitFor({ timeout: 20_000 })
    return page
  }
  const [first, second] = [await open(), await open()]

  await t.test('the voice arrives within 250 ms, and the microphone of the robot is silent', async () => {
    await second.bringToFront()
    await second.keyboard.down('t')
    await states.next({ where: ({ speaker, muted }) => speaker?.playing === 'talk' && muted === 'talk' })
    await sleep(TALK_MS)
    const others = await note(first)
    await second.keyboard.up('t')
    await states.next({ where: ({ speaker }) => speaker?.playing === null, within: 10_000 })
    const talked = await meter.compare(second)
    t.diagnostic(JSON.stringify(talked))
    assert.ok(talked.seconds >= TALK_MS / 1_000 - 4, `${talked.seconds} seconds`)
    assert.ok(talked.correlation.median >= 0.9, `correlation ${talked.correlation.median}`)
    assert.ok(talked.delay.p95 <= 250, `${talked.delay.p95} ms`)
    assert.equal(others, 'Someone else is talking.')
  })

  await t.test('the newest press takes over, and the first is told', async () => {
    await second.keyboard.down('t')
    await until(async () => (await note(second)) === 'The robot plays your voice.', { deadline: 10_000 })
    // a page that loses the focus releases the button
    await first.evaluate(() => {
      globalThis.wimz.channel?.send(JSON.stringify({ type: 'talk', active: true, press: 1_000 }))
    })
    await until(async () => (await note(second)) === 'Someone else is talking.', { deadline: 10_000 })
    await second.keyboard.up('t')
  })
})

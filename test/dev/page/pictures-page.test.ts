/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { launchBrowser, NO_UDP } from '#dev/harness/browser.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { plainFrame } from '#test/vision/frames.ts'
import type { Party } from '../peers.ts'
import { axeViolations, outsideOfWindow } from './accessibility.ts'
import { inState, says, skip, watching } from './watching.ts'

const PICTURE = /^WebRTC could not connect \(.+\): pictures$/

/** Answers each request with a picture, as relay-bridge does; `delay` in ms. */
async function sendPictures(device: Party, delay = { ms: 0 }) {
  using pixels = plainFrame({ width: 320, height: 180 }, [200, 40, 40])
  using encoder = await JpegEncoder.open(pixels)
  const data = (await encoder.encode(pixels)).toString('base64')
  const requests = { count: 0 }
  device.socket.on('message', (text) => {
    const { type, id } = JSON.parse(text.toString())
    if (type !== 'snapshot_request') return
    requests.count++
    setTimeout(() => device.send({ type: 'snapshot', id, data }), delay.ms).unref()
  })
  return requests
}

const isShown = (page: Page) =>
  page.waitForFunction(() => {
    const picture = document.querySelector<HTMLImageElement>('#picture')
    return picture?.checkVisibility() === true && picture.naturalWidth === 320
  })

const isFresh = (page: Page, fresh: boolean) =>
  page.waitForFunction(
    (wanted) => (globalThis.wimz.freshness as unknown as { fresh: boolean }).fresh === wanted,
    fresh,
  )

test('where the browser may not use UDP, pictures are shown with the reason', { skip }, async (t) => {
  const browser = await launchBrowser({ flags: [NO_UDP] })
  t.after(() => browser.close())
  const { view, device } = await watching(t, browser)
  const delay = { ms: 0 }
  const requests = await sendPictures(device, delay)
  const page = await view()
  await isShown(page)
  await says(page, PICTURE)
  await says(page, /this browser may not use UDP/)
  await says(page, /^, \d+ a second$/)
  assert.equal(await page.locator('#lamp-video').textContent(), 'Video pictures')
  await page.locator('#notice').waitFor({ state: 'hidden' })

  await t.test('it fits every window, has no axe violation, and Stop works', async () => {
    for (const [width, height] of [
      [1440, 900],
      [844, 390],
      [360, 740],
    ] as const)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await page.setViewportSize({ width, height })
        assert.deepEqual(await axeViolations(page), [], `${width} ${colorScheme}`)
        assert.deepEqual(await outsideOfWindow(page, '#picture, #fallback, #stop'), [], String(width))
      }
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await device.next(({ command }) => command === 'stop')
    assert.ok(await page.getByRole('button', { name: 'Drive', exact: true }).isDisabled(), 'no channel')
  })

  await t.test('a picture counts as fresh only while it is certainly younger than 0.7 s', async () => {
    await isFresh(page, true)
    delay.ms = 800
    await isFresh(page, false)
    await page.waitForTimeout(2_000)
    assert.equal(
      await page.evaluate(() => (globalThis.wimz.freshness as unknown as { fresh: boolean }).fresh),
      false,
    )
    delay.ms = 0
    await isFresh(page, true)
  })

  await t.test('a hidden page requests none', async () => {
    await page.evaluate(() => Object.defineProperty(document, 'hidden', { value: true, configurable: true }))
    await page.waitForTimeout(1_000)
    const before = requests.count
    await page.waitForTimeout(1_500)
    assert.equal(requests.count, before)
    await page.evaluate(() => Object.defineProperty(document, 'hidden', { value: false, configurable: true }))
    await isShown(page)
  })

  await t.test('without new pictures the last one is hidden', async () => {
    delay.ms = 1e6
    await says(page, /^(Waiting for video|Reconnecting)…$/)
    assert.equal(await page.locator('#picture').isVisible(), false)
  })
})

test('WebRTC is retried behind the pictures, and takes their place', { skip }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { view, device, context } = await watching(t, browser)
  const requests = await sendPictures(device)
  await context.addInitScript(() => {
    const { RTCPeerConnection } = globalThis
    Object.assign(globalThis, {
      blocked: true,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(config: RTCConfiguration) {
          const { blocked } = globalThis as unknown as { blocked: boolean }
          super({ ...config, iceTransportPolicy: blocked ? 'relay' : 'all' })
        }
      },
    })
  })
  const page = await view()
  await isShown(page)
  await page.evaluate(() => Object.assign(globalThis, { blocked: false }))
  await inState(page, 'playing')
  await page.locator('#picture').waitFor({ state: 'hidden' })
  const before = requests.count
  await sleep(1_500)
  assert.ok(requests.count <= before + 1, 'requests go on')
  assert.equal(await page.locator('#fallback').isVisible(), false)
})

test('a browser without WebRTC shows pictures at once', { skip }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { view, device, context } = await watching(t, browser)
  await sendPictures(device)
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'RTCPeerConnection'))
  const page = await view()
  await isShown(page)
  await says(page, /this browser has no WebRTC/)
})

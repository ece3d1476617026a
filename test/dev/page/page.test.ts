/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { plainFrame } from '#test/vision/frames.ts'
import { actAsRobot } from './browser-robot.ts'
import { type Handles, handles, inState, says, skip, watching } from './watching.ts'

// much of it is waiting, so several at a time, the longest first
test('the viewer page', { skip, concurrency: 3, timeout: 280_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())

  void t.test('a page comes back by itself after every kind of loss', async (t) => {
    const { view, device, robot, robotPage, context } = await watching(t, browser)
    const page = await view()
    await inState(page, 'playing')
    const request = () => device.next(({ type }) => type === 'webrtc_request')
    const { session_id } = await request()

    await t.test('closed by the robot', async () => {
      device.send({ type: 'webrtc_close', session_id, reason: 'service-stopping' })
      await request()
      await inState(page, 'playing')
    })
    await t.test('an error of the robot', async () => {
      device.send({ type: 'webrtc_error', session_id, error: 'answer timeout' })
      await request()
      await inState(page, 'playing')
    })
    await t.test('the robot’s peer is gone without a word', async () => {
      await robotPage.evaluate((id) => globalThis.robot.close(id), String(session_id))
      await inState(page, 'stalled')
      await request()
      await inState(page, 'playing')
    })
    await t.test('the robot’s own link: the picture stays', async () => {
      const { sessions } = await handles(page)
      device.socket.terminate()
      await says(page, /offline/)
      await actAsRobot(context, await robot())
      await says(page, /online/)
      await inState(page, 'playing')
      assert.equal((await handles(page)).sessions, sessions)
    })
  })

  void t.test('two pages play at once and tell what they see', async (t) => {
    const { view, device } = await watching(t, browser)
    const [one, two] = [await view('?latency'), await view()]
    await Promise.all([inState(one, 'playing'), inState(two, 'playing')])
    await says(one, /Glass to glass/)
    await one.waitForFunction(() => ((globalThis.wimz as unknown as Handles).latency?.n ?? 0) > 5)
    const { latency } = await handles(one)
    assert.ok(latency && latency.p50 >= 0 && latency.p50 < 5_000)
    device.send({ event: 'detection', data: { detected: true, label: 'dog', confidence: 0.87 } })
    device.send({ event: '<img src=x onerror=alert(1)>', data: { note: '<script>' } })
    for (const page of [one, two]) {
      await page.getByLabel('Latest detections').getByText('87 %').waitFor()
      await says(page, /<img src=x onerror=alert\(1\)>/)
      await says(page, /\d+ × \d+/)
    }
    assert.equal(await one.locator('#events img').count(), 0)
  })

  void t.test('a photo is asked for, shown, and can be kept', async (t) => {
    const { view, device } = await watching(t, browser)
    const page = await view()
    await page.getByRole('button', { name: 'Take a photo' }).click()
    const { data: params } = await device.next(({ command }) => command === 'take_photo')
    assert.deepEqual(params, { with_hud: false })
    const picture = page.locator('#photo-picture')
    for (const data of ['not base64!', 7, null, { data: 'AAAA<' }]) device.send({ event: 'photo', data })
    using pixels = plainFrame({ width: 320, height: 180 }, [200, 40, 40])
    using encoder = await JpegEncoder.open(pixels)
    const data = (await encoder.encode(pixels)).toString('base64')
    device.send({ event: 'photo', data, filename: 'dog.jpg', resolution: '320x180', with_hud: false })
    await says(page, /320x180/)
    await page.waitForFunction(() => {
      const shown = document.querySelector<HTMLImageElement>('#photo-picture')
      return shown?.complete === true && shown.naturalWidth === 320
    })
    assert.equal(await picture.getAttribute('alt'), 'dog.jpg')
    assert.equal(await page.locator('#photo-link').getAttribute('download'), 'dog.jpg')
  })

  void t.test('buttons send commands, and the answer is shown', async (t) => {
    const { view, device, robotPage } = await watching(t, browser)
    const page = await view()
    await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
    const treat = page.getByRole('button', { name: 'Give a treat' })
    await treat.click()
    const { id, data, timestamp } = await device.next(({ command }) => command === 'dispense_treat')
    assert.deepEqual(data, { count: 1 })
    assert.ok(Math.abs(Date.now() - Number(timestamp)) < 5_000)
    device.send({ type: 'command_ack', command: 'dispense_treat', id, success: false, error: 'it is empty' })
    await says(page, /Treat: it is empty/)
    device.send({ type: 'command_ack', command: 'led', id: 'of another app', success: true })
    await page.getByLabel('Latest events').getByText('done').waitFor()
    await says(page, /Treat: it is empty/)
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await device.next(({ command }) => command === 'stop')
    await page.getByLabel('Quality').selectOption('low')
    const quality = await device.next(({ command }) => command === 'set_video_quality')
    assert.deepEqual(quality.data, { mode: 'low' })
    device.socket.close()
    await says(page, /offline/)
    // the data channel still reaches the robot
    await treat.click()
    await robotPage.waitForFunction(() =>
      globalThis.robot.heard.some(({ message }) => message.command === 'dispense_treat'),
    )
    await robotPage.evaluate(() => globalThis.robot.hush())
    await page.waitForFunction(() => document.querySelector<HTMLButtonElement>('#treat')?.disabled)
  })

  void t.test('nothing jumps when the picture comes, on a desk or a phone', async (t) => {
    const { view, device } = await watching(t, browser)
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 360, height: 740 },
    ]) {
      const page = await view()
      await page.setViewportSize(viewport)
      await page.reload()
      await page.evaluate(() => {
        const shifts: number[] = []
        Object.assign(globalThis, { shifts })
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value)
        }).observe({ type: 'layout-shift', buffered: true })
      })
      await inState(page, 'playing')
      device.send({ event: 'detection', data: { label: 'dog', confidence: 0.5 } })
      await says(page, /50 %/)
      const { shifts, overflow } = await page.evaluate(() => ({
        shifts: (globalThis as unknown as { shifts: number[] }).shifts,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }))
      assert.ok(shifts.reduce((sum, value) => sum + value, 0) < 0.01, `shifts ${shifts}`)
      assert.equal(overflow, 0, `wider than ${viewport.width}`)
      await page.close()
    }
  })

  void t.test('a page that is refused says so', async (t) => {
    const { address, view, context } = await watching(t, browser, { token: 'secret' })
    // not by view(): the browser itself complains of what is refused, and of the icon that a text has not
    const wrong = await context.newPage()
    await wrong.goto(`http://${address}/?token=wrong`)
    await says(wrong, /not that of this robot/)
    // the page itself, opened before its login ended: the form takes its place
    const headers = { accept: '*/*' }
    await wrong.route('**/', (route) => route.continue({ url: `http://${address}/?token=secret`, headers }), {
      times: 1,
    })
    await wrong.goto(`http://${address}/`)
    await wrong.getByLabel('Token of this robot').waitFor()
    const other = await context.newPage()
    await other.goto(`http://${address}/?token=secret&device=another`)
    await says(other, /Check the device/)
    await inState(await view(), 'playing')
  })

  void t.test(
    'a browser without WebRTC says so, does not blame the robot, and asks it for nothing',
    async (t) => {
      const { view, device, context } = await watching(t, browser)
      await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'RTCPeerConnection'))
      const page = await view()
      await says(page, /This browser has no WebRTC/)
      await inState(page, 'unsupported')
      await page.getByRole('button', { name: 'Give a treat' }).click()
      await device.next(({ command }) => command === 'dispense_treat')
      await page.getByRole('button', { name: 'Reconnect' }).click()
      await page.getByRole('button', { name: 'Stop', exact: true }).click()
      await device.next(({ command }) => command === 'stop')
      assert.ok(!device.frames.some(({ type }) => type === 'webrtc_request'))
      await says(page, /This browser has no WebRTC/)
    },
  )

  void t.test('servers that the browser rejects are named as the cause', async (t) => {
    const { view, context } = await watching(t, browser)
    await context.addInitScript(() => {
      Object.assign(globalThis, {
        RTCPeerConnection: class {
          constructor() {
            throw new SyntaxError('bad server')
          }
        },
      })
    })
    await says(await view(), /this browser makes no peer connection: bad server/)
  })

  void t.test('a page whose place was given away asks again only when told to', async (t) => {
    const { view, device } = await watching(t, browser)
    const page = await view()
    await inState(page, 'playing')
    const { session_id } = await device.next(({ type }) => type === 'webrtc_request')
    device.send({ type: 'webrtc_close', session_id, reason: 'evicted' })
    await inState(page, 'taken')
    await page.getByRole('button', { name: 'Watch here' }).click()
    assert.equal((await device.next(({ type }) => type === 'webrtc_request')).session_id, session_id)
    await inState(page, 'playing')
  })

  void t.test('a page that another app supersedes stays away until it is told to come', async (t) => {
    const { view } = await watching(t, browser, { single_app: true })
    const first = await view()
    await inState(first, 'playing')
    const second = await view()
    await says(first, /Another app has taken over/)
    await inState(second, 'playing')
    await first.getByRole('button', { name: 'Watch here' }).click()
    await says(second, /Another app has taken over/)
    await inState(first, 'playing')
  })
})

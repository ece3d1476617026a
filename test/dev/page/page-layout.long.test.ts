/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { axeViolations } from './accessibility.ts'
import { examine, FOLDER, faults } from './layout.ts'
import { inState, says, skip, watching } from './watching.ts'

const LONG_NAME = 'wimz_robot_of_the_kitchen_on_the_second_floor_0123456789'

test('the layout of the viewer page', { skip, timeout: 280_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { view, device, robotPage } = await watching(t, browser, { token: 'let-me-in' })
  const page = await view('?token=let-me-in')
  await inState(page, 'playing')
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')

  await t.test('live, with a long name, detections, events and an answer', async () => {
    await page.evaluate((name) => {
      const device = document.getElementById('device')
      if (device) device.textContent = name
    }, LONG_NAME)
    device.send({ event: 'detection', data: { detected: true, label: 'dog', confidence: 0.87 } })
    for (let i = 0; i < 30; i++) device.send({ event: 'treat_dispensed', data: { dog: 'Rex', remaining: i } })
    await says(page, /87 %/)
    await page.getByRole('button', { name: 'Give a treat' }).click()
    const { id } = await device.next(({ command }) => command === 'dispense_treat')
    const error = 'the dispenser is jammed, and the carousel did not turn within the time that it has for it'
    device.send({ type: 'command_ack', command: 'dispense_treat', id, success: false, error })
    await says(page, /Treat: the dispenser/)
    await examine(page, 'live', [1440, 844, 360])
  })

  await t.test('driving', async () => {
    await page.getByRole('button', { name: 'Drive' }).click()
    await page.getByRole('group', { name: /^Drive/ }).waitFor()
    await examine(page, 'driving', [1440, 844, 360])
  })

  await t.test('in full screen Stop and the pad stay', async () => {
    await page.setViewportSize({ width: 844, height: 390 })
    await page.evaluate(() => document.getElementById('stage')?.requestFullscreen())
    await page.waitForFunction(() => document.fullscreenElement !== null)
    assert.deepEqual(await faults(page), [])
    if (FOLDER) await page.screenshot({ path: `${FOLDER}/fullscreen.png` })
    assert.deepEqual(await axeViolations(page), [])
    await page.keyboard.press('Space')
    await device.next(({ command }) => command === 'emergency_stop')
    await page.evaluate(() => document.exitFullscreen())
    await page.getByRole('button', { name: 'Drive' }).click()
  })

  await t.test('another viewer drives, the robot is overloaded, and has no camera', async () => {
    const facts = {
      overload: 4,
      camera_ok: false,
      tier: 'high',
      mode: 'manual',
      bars: 1,
      limited_by: 'overload',
      driver: 'other',
    }
    await robotPage.evaluate((message) => globalThis.robot.tell(message), { type: 'video_quality', ...facts })
    for (const text of [/^overloaded$/, /no camera/, /^Take over$/, /smaller: robot overloaded/])
      await says(page, text)
    await examine(page, 'reduced', [1440, 844, 360])
    const isPrivate = { type: 'video_quality', ...facts, privacy: true }
    await robotPage.evaluate((message) => globalThis.robot.tell(message), isPrivate)
    await says(page, /^private$/)
    await robotPage.evaluate(() => globalThis.robot.tell({ type: 'video_quality', driver: 'this' }))
    await says(page, /^Drive$/)
  })

  await t.test('the keyboard reaches everything, Stop first', async () => {
    await page.evaluate(() => {
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
      getSelection()?.removeAllRanges()
    })
    await page.mouse.click(2, 2)
    const reached: string[] = []
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press('Tab')
      const id = await page.evaluate(() => document.activeElement?.id ?? '')
      if (id === '' || reached.includes(id)) break
      reached.push(id)
    }
    const wanted = [
      'stop',
      'drive',
      'treat',
      'photo',
      'fullscreen',
      'quality',
      'sound',
      'reconnect',
      'events',
    ]
    assert.equal(reached[0], 'stop')
    for (const id of wanted) assert.ok(reached.includes(id), `${id} of ${reached}`)
  })

  await t.test('the robot is away', async () => {
    device.socket.terminate()
    await says(page, /offline/)
    await examine(page, 'offline', [1280, 390])
  })
})

/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { inState, skip, watching } from './watching.ts'

type Speeds = [left: number, right: number]

/** What the robot has heard of driving since the last time. */
const driven = (robot: Page) =>
  robot.evaluate(() =>
    globalThis.robot.heard
      .splice(0)
      .filter(({ message }) => message.type === 'motor')
      .map(({ message: { left, right, seq } }) => ({ left, right, seq }) as Record<string, number>),
  )

/** Waits until the robot has heard this. */
const hears = (robot: Page, [left, right]: Speeds) =>
  robot.waitForFunction(
    (wanted) =>
      globalThis.robot.heard.some(({ message }) => message.left === wanted[0] && message.right === wanted[1]),
    [left, right] as const,
    { timeout: 5_000, polling: 20 },
  )

/** Waits until the robot hears that the motors stand, and that nothing moves them behind it. */
async function stands(robot: Page): Promise<void> {
  await hears(robot, [0, 0])
  await driven(robot)
  await robot.waitForTimeout(400)
  for (const { left, right } of await driven(robot)) assert.deepEqual([left, right], [0, 0])
}

test('driving on the viewer page', { skip, timeout: 60_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { view, robotPage: robot, device } = await watching(t, browser)
  const page = await view()
  await inState(page, 'playing')
  const drive = page.getByRole('button', { name: 'Drive' })
  const pad = page.getByRole('group', { name: /^Drive/ })
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
  // on a busy machine the picture may stand still by itself (driving-safety-page.test.ts)
  await page.evaluate(() => void Object.assign(globalThis.wimz.freshness, { maxAge: 1e9 }))

  await t.test('keys move nothing before driving is armed', async () => {
    assert.equal(await pad.isVisible(), false)
    await page.keyboard.down('ArrowUp')
    await page.waitForTimeout(300)
    await page.keyboard.up('ArrowUp')
    assert.deepEqual(await driven(robot), [])
    await drive.click()
    assert.equal(await drive.getAttribute('aria-pressed'), 'true')
    assert.equal(await pad.isVisible(), true)
  })

  await t.test(
    'a key that is held is said ten times a second or more, and a release at once (B04, B25)',
    async () => {
      await page.keyboard.down('w')
      await robot.waitForFunction(() => globalThis.robot.heard.length > 20, undefined, { timeout: 10_000 })
      const times = await robot.evaluate(() => globalThis.robot.heard.map(({ at }) => at))
      const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0))
      const usual = gaps.toSorted((a, b) => a - b)[10] ?? 0
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
      // a busy machine delivers some of them together
      assert.ok(mean >= 40 && Math.min(mean, usual) <= 100, `every ${mean} ms, median ${usual} ms`)
      const held = await driven(robot)
      for (const { left, right } of held) assert.deepEqual([left, right], [0.6, 0.6])
      const marks = held.map(({ seq = 0 }) => seq)
      assert.deepEqual(
        marks,
        marks.toSorted((a, b) => a - b),
      )
      await page.keyboard.up('w')
      await stands(robot)
    },
  )

  await t.test('two keys make a bend, opposite ones nothing', async () => {
    await page.keyboard.down('ArrowUp')
    await page.keyboard.down('a')
    await hears(robot, [0.2, 1])
    await page.keyboard.down('d')
    await driven(robot)
    await hears(robot, [0.6, 0.6])
    for (const key of ['ArrowUp', 'a', 'd']) await page.keyboard.up(key)
    await stands(robot)
  })

  await t.test(
    'the pad goes where it is held, and its buttons can be pressed without a pointer',
    async () => {
      const box = await pad.boundingBox()
      assert.ok(box)
      await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.05)
      await page.mouse.down()
      await hears(robot, [0.6, 0.6])
      await page.mouse.move(box.x + box.width * 2, box.y + box.height / 2)
      await hears(robot, [0.4, -0.4])
      await page.mouse.up()
      await stands(robot)
      await page.getByRole('button', { name: 'Back' }).press('Enter')
      await hears(robot, [-0.6, -0.6])
      await stands(robot)
    },
  )

  await t.test('focus elsewhere and a hidden page let go (B02)', async () => {
    for (const event of ['blur', 'visibilitychange']) {
      await page.keyboard.down('w')
      await hears(robot, [0.6, 0.6])
      await page.evaluate((name) => {
        if (name === 'blur') dispatchEvent(new Event(name))
        else {
          Object.defineProperty(document, 'hidden', { value: true, configurable: true })
          document.dispatchEvent(new Event(name))
          Reflect.deleteProperty(document, 'hidden')
        }
      }, event)
      await stands(robot)
      await page.keyboard.down('w') // repeats
      await page.waitForTimeout(200)
      assert.deepEqual(await driven(robot), [])
      await page.keyboard.up('w')
    }
  })

  await t.test(
    'space is an emergency stop on both ways, and a held key must be pressed again (B01)',
    async () => {
      await page.getByRole('button', { name: 'Give a treat' }).focus()
      const box = await pad.boundingBox()
      assert.ok(box)
      await page.mouse.move(box.x + box.width / 2, box.y + 5)
      await page.mouse.down()
      await page.keyboard.down('s')
      await hears(robot, [0.6, 0.6])
      await page.keyboard.press('Space')
      await robot.waitForFunction(() =>
        globalThis.robot.heard.some(({ message }) => message.type === 'emergency_stop'),
      )
      await device.next(({ command }) => command === 'emergency_stop')
      await page.mouse.move(box.x + box.width / 2, box.y + 10)
      await stands(robot)
      await page.mouse.up()
      await page.keyboard.up('s')
      assert.equal(
        device.frames.some(({ command }) => command === 'dispense_treat'),
        false,
      )
    },
  )

  await t.test('what the robot tells of its video is shown', async () => {
    const told = { type: 'video_quality', tier: 'medium', mode: 'manual', bars: 3 }
    await robot.evaluate((message) => globalThis.robot.tell(message), told)
    await page.getByText('medium, manual').waitFor({ timeout: 5_000 })
    await page.getByRole('img', { name: 'Signal 3 of 4' }).waitFor({ timeout: 5_000 })
  })

  await t.test('without the channel there is no driving', async () => {
    await page.keyboard.down('w')
    await hears(robot, [0.6, 0.6])
    await robot.evaluate(() => globalThis.robot.hush())
    await pad.waitFor({ state: 'hidden', timeout: 5_000 })
    assert.ok(await drive.isDisabled())
    await page.keyboard.up('w')
  })
})

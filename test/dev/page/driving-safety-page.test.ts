/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { inState, says, skip, watching } from './watching.ts'

/** A gamepad whose axes and buttons the test sets on `globalThis.stick`. */
function fakeGamepad(): void {
  const pad = {
    connected: true,
    axes: [0, 0],
    buttons: Array.from({ length: 17 }, () => ({ pressed: false })),
  }
  Object.assign(globalThis, { stick: pad })
  Object.defineProperty(navigator, 'getGamepads', { value: () => (pad.connected ? [pad] : []) })
}

interface Stick {
  connected: boolean
  axes: number[]
  buttons: { pressed: boolean }[]
}

test('safety while driving on the viewer page', { skip, timeout: 280_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const { view, robotPage: robot, context, device } = await watching(t, browser)
  await context.addInitScript(fakeGamepad)
  const page = await view()
  await inState(page, 'playing')
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')
  const setMaxAge = (ms: number) =>
    page.evaluate((maxAge) => void Object.assign(globalThis.wimz.freshness, { maxAge }), ms)
  assert.equal(await page.evaluate(() => globalThis.wimz.freshness.maxAge), 700)
  // on a busy machine the picture may stand still by itself
  await setMaxAge(1e9)
  await page.getByRole('button', { name: 'Drive', exact: true }).click()
  const hears = (left: number, right: number) =>
    robot.waitForFunction(
      (wanted) =>
        globalThis.robot.heard.some(
          ({ message }) => message.left === wanted[0] && message.right === wanted[1],
        ),
      [left, right] as const,
    )
  const forget = () => robot.evaluate(() => void globalThis.robot.heard.splice(0))
  const motors = () =>
    robot.evaluate(() =>
      globalThis.robot.heard.map(({ message }) => message).filter(({ type }) => type === 'motor'),
    )
  const stick = (change: Partial<Stick>) =>
    page.evaluate((to) => void Object.assign((globalThis as unknown as { stick: Stick }).stick, to), change)

  await t.test('a stick moves nothing inside its dead zone, and starts at 0 at the edge', async () => {
    const sticks = [
      [0.1, -0.1],
      [0, 1],
      [0.16, 0],
      [1, 1],
    ]
    const moved = await page.evaluate(async (all) => {
      const path = '/gamepad.js' // resolved by the browser
      const { GamepadSticks } = await import(path)
      return all.map(
        ([right, forward]) => GamepadSticks.withoutDeadZone(right, forward) as [number, number] | null,
      )
    }, sticks)
    const [inside, forward, edge, diagonal] = moved
    assert.equal(inside, null)
    assert.deepEqual(forward, [0, 1])
    assert.ok(edge && edge[0] > 0 && edge[0] < 0.02, String(edge))
    assert.ok(diagonal && Math.hypot(...diagonal) <= 1.0001, String(diagonal))
  })

  await t.test('a gamepad drives, its release stops, and B is an emergency stop', async () => {
    await page.evaluate(() => void dispatchEvent(new Event('gamepadconnected')))
    await stick({ axes: [0, -1] })
    await hears(0.6, 0.6)
    await forget()
    await stick({ axes: [0.05, 0.05] })
    await hears(0, 0)
    await stick({ axes: [0, -1] })
    await hears(0.6, 0.6)
    await forget()
    await stick({ connected: false })
    await hears(0, 0)
    await stick({ connected: true, axes: [0, 0], buttons: [{ pressed: false }, { pressed: true }] })
    await page.evaluate(() => void dispatchEvent(new Event('gamepadconnected')))
    await device.next(({ command }) => command === 'emergency_stop')
    await stick({ connected: false })
  })

  await t.test('driving is locked while the picture stands still, unless the user overrides it', async () => {
    await page.keyboard.down('w')
    await hears(0.6, 0.6)
    await forget()
    await setMaxAge(700)
    await robot.evaluate(() => globalThis.robot.freeze(true))
    await hears(0, 0)
    await says(page, /Driving is locked/)
    await page.keyboard.up('w')
    await forget()
    await page.keyboard.press('ArrowUp')
    await page
      .getByRole('group', { name: /^Drive/ })
      .getByRole('button', { name: 'Forward' })
      .press('Enter')
    // zeros of the release may still arrive
    for (const { left, right } of await motors()) assert.deepEqual([left, right], [0, 0])
    await page.getByRole('button', { name: 'Drive anyway' }).click()
    await page.keyboard.down('w')
    await hears(0.6, 0.6)
    await page.keyboard.up('w')
    await robot.evaluate(() => globalThis.robot.freeze(false))
    await inState(page, 'playing')
  })

  await t.test('the connection report is copied', async () => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: 'Copy report' }).click()
    await says(page, /Report: copied/)
    const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))
    assert.ok(report.stats.some(({ type }: { type: string }) => type === 'inbound-rtp'))
    assert.equal(report.page, new URL(page.url()).origin)
  })

  await t.test('a hidden page ends its session after 10 s and is back when it is shown', async () => {
    const hide = (hidden: boolean) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { value, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))
      }, hidden)
    await hide(true)
    await inState(page, 'paused')
    const { reason } = await device.next(({ type }) => type === 'webrtc_close')
    assert.equal(reason, 'page hidden')
    await hide(false)
    await inState(page, 'playing')
  })

  await t.test('the page can be installed, and shows a page of its own where the robot is away', async () => {
    const manifest = await (await fetch(new URL('/manifest.webmanifest', page.url()))).json()
    for (const { src } of manifest.icons) {
      const icon = await fetch(new URL(src, page.url()))
      assert.match(icon.headers.get('content-type') ?? '', /^image\//)
      await icon.body?.cancel()
    }
    await page.evaluate(() => navigator.serviceWorker.ready)
    await page.reload()
    await inState(page, 'playing')
    await context.setOffline(true)
    const away = await context.newPage()
    await away.goto(page.url())
    await says(away, /cannot be reached/)
    await context.setOffline(false)
  })
})

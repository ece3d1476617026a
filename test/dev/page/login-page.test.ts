/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { axeViolations, outsideOfWindow } from './accessibility.ts'
import { inState, says, skip, watching } from './watching.ts'

const SECTION = { token: 'token-of-the-driver', watch_token: 'token-of-the-viewers' }
const WIDTHS = [1440, 1024, 768, 390, 360]

let browser: Browser
before(async () => {
  if (!skip) browser = await launchBrowser()
})
after(() => browser?.close())

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

test('the form is reached by keyboard, has no axe violation, fits every window, and logs in', {
  skip,
}, async (t) => {
  const { view, tolerate, address } = await watching(t, browser, SECTION)
  tolerate(/403|429/)
  const page = await view()
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of WIDTHS) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 640 })
      assert.deepEqual(await axeViolations(page), [], `${width} ${colorScheme}`)
      assert.deepEqual(await outsideOfWindow(page, 'h1, form, input, button, label, p'), [], String(width))
    }
  const type = async (token: string) => {
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'token')
    await page.keyboard.type(token)
    await page.keyboard.press('Enter')
  }
  await type('wrong')
  await page.getByText('This is not the token of this robot').waitFor()
  assert.deepEqual(await axeViolations(page), [], 'after a wrong token')
  await page.goto(`http://${address}/`)
  await type(SECTION.token)
  await page.locator('#video').waitFor()
  await inState(page, 'playing')
  assert.equal(page.url(), `http://${address}/`)
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads the cookie')
  await button(page, 'Log out').click()
  await page.getByLabel('Token of this robot').waitFor()
})

test('an address with the token logs in once, and the address bar has none', { skip }, async (t) => {
  const { view, address } = await watching(t, browser, SECTION)
  const page = await view(`?token=${SECTION.token}&device=wimz_robot_99`)
  await inState(page, 'playing')
  assert.equal(page.url(), `http://${address}/?device=wimz_robot_99`)
  await page.reload()
  await inState(page, 'playing')
})

test('a viewer that may only watch sees so; stop is the one command that it has', { skip }, async (t) => {
  const { view, device } = await watching(t, browser, SECTION)
  const page = await view(`?token=${SECTION.watch_token}`)
  await inState(page, 'playing')
  await says(page, /wimz_robot_99, watching only/)
  for (const name of ['Give a treat', 'Drive', 'Take a photo'])
    assert.ok(await button(page, name).isDisabled(), name)
  assert.ok(await page.getByLabel('Quality').isDisabled())
  await button(page, 'Stop').click()
  const stop = await device.next(({ command }) => command !== undefined)
  assert.equal(stop.command, 'stop')
  assert.deepEqual(await axeViolations(page), [])
})

/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { axeViolations } from './accessibility.ts'
import { inState, says, skip, watching } from './watching.ts'

/** Widths and heights; 640 × 400 is a window of 1280 × 800 at 200 %. */
const SIZES = [
  [1440, 900],
  [1280, 800],
  [1024, 768],
  [961, 700],
  [768, 1024],
  [844, 390],
  [640, 400],
  [390, 844],
  [360, 740],
] as const
const LONG_NAME = 'wimz_robot_of_the_kitchen_on_the_second_floor_0123456789'
/** A folder for pictures of each state, to look at. */
const FOLDER = process.env.WIMZ_PAGE_PICTURES

interface Shown {
  name: string
  /** Whether it is of the bar with Stop, which lies over what scrolls beneath it. */
  isDeck: boolean
  isCut: boolean
  isCovered: boolean
  /** Indexes of what it contains. */
  contains: number[]
  box: { left: number; right: number; top: number; bottom: number }
}

/** Elements of the page that are shown, in full screen those of the stage. */
const measure = (page: Page) =>
  page.evaluate(() => {
    const root = document.fullscreenElement ?? document.body
    const selector = 'h1, .lamps li, button, label, .screen, .figures, .card, #pad, #answer'
    const all = [...root.querySelectorAll(selector)].filter(
      (one) =>
        one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
        !one.matches('.screen button, .pad button'),
    )
    const shown = all.map((one): Shown => {
      const { left, right, top, bottom } = one.getBoundingClientRect()
      const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
      return {
        name: one.id || (one.textContent?.trim().slice(0, 20) ?? ''),
        isDeck: one.closest('.deck') !== null,
        isCut: one.scrollWidth > one.clientWidth + 1 && one.matches('button, label, li'),
        isCovered: !one.contains(hit),
        contains: all.flatMap((other, i) => (one.contains(other) ? [i] : [])),
        box: { left, right, top, bottom },
      }
    })
    const { scrollWidth, clientWidth } = document.documentElement
    return { shown, width: innerWidth, height: innerHeight, overflow: scrollWidth - clientWidth }
  })

/** What must be in reach wherever the page is scrolled to. */
const ALWAYS = new Set(['stop', 'drive', 'pad', 'answer'])

/** Faults of the layout: elements that overlap, are cut, or lie outside of the window; Stop or the pad out of reach. */
async function faults(page: Page): Promise<string[]> {
  const { shown, width, height, overflow } = await measure(page)
  return [
    ...(overflow > 0 ? [`${overflow} px wider than the window`] : []),
    ...(shown.some(({ name }) => name === 'stop') ? [] : ['no Stop']),
    ...shown.flatMap((one) => faultsOf(one, width, height)),
    ...shown.flatMap((a, i) =>
      shown.flatMap((b, j) =>
        j > i && !a.contains.includes(j) && overlap(a, b) ? `${a.name} on ${b.name}` : [],
      ),
    ),
  ]
}

function faultsOf({ name, box, isCut, isCovered }: Shown, width: number, height: number): string[] {
  const isBeside = box.left < -0.5 || box.right > width + 0.5
  const isBeyond = ALWAYS.has(name) && (box.top < 0 || box.bottom > height)
  const found = {
    cut: isCut,
    outside: isBeside || isBeyond,
    covered: isCovered && ['stop', 'pad'].includes(name),
  }
  return Object.entries(found).flatMap(([what, is]) => (is ? `${name} is ${what}` : []))
}

function overlap({ box: a, isDeck }: Shown, { box: b, isDeck: isAlso }: Shown): boolean {
  if (isDeck !== isAlso) return false
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
  return width > 1 && height > 1
}

/** Height of the picture, and its distance from the bar with Stop beneath it. */
const besideDeck = (page: Page) =>
  page.evaluate(() => {
    const screen = document.querySelector('.screen')?.getBoundingClientRect()
    const deck = document.querySelector('.deck')?.getBoundingClientRect()
    return { screen: screen?.height ?? 0, free: (deck?.top ?? 0) - (screen?.bottom ?? 0) }
  })

/** Checks every size and color scheme; axe at the widths of `axeAt`. */
async function examine(page: Page, state: string, axeAt: readonly number[]): Promise<void> {
  for (const [width, height] of SIZES) {
    const where = `${state} at ${width} × ${height}`
    await page.setViewportSize({ width, height })
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      if (FOLDER) await page.screenshot({ path: `${FOLDER}/${state}-${width}-${colorScheme}.png` })
      assert.deepEqual(await faults(page), [], `${where}, ${colorScheme}`)
      if (axeAt.includes(width)) assert.deepEqual(await axeViolations(page), [], `${where}, ${colorScheme}`)
    }
    await page.evaluate(() => scrollTo(0, 0))
    const { screen, free } = await besideDeck(page)
    assert.ok(screen >= 110 && free >= 0, `${where}: picture ${screen} px high, ${free} px above the bar`)
    await page.evaluate(() => scrollTo(0, 1e6))
    assert.deepEqual(await faults(page), [], `${where}, scrolled down`)
    await page.evaluate(() => scrollTo(0, 0))
  }
}

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

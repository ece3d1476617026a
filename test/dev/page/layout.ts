/// <reference lib="dom" />
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { axeViolations } from './accessibility.ts'

/** Widths and heights; 640 × 400 is a window of 1280 × 800 at 200 %. */
export const SIZES = [
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
/** A folder for pictures of each state, to look at. */
export const FOLDER = process.env.WIMZ_PAGE_PICTURES

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
export async function faults(page: Page): Promise<string[]> {
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

/** Checks these sizes in both color schemes; axe at the widths of `axeAt`. */
export async function examine(
  page: Page,
  state: string,
  axeAt: readonly number[],
  sizes: readonly (readonly [number, number])[] = SIZES,
): Promise<void> {
  for (const [width, height] of sizes) {
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

/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { until } from '#dev/harness/until.ts'
import { HistoryStore } from '#services/recorder/history/history-store.ts'
import type { HistoryRecord } from '#services/recorder/history/records.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { clipOf, START } from '#test/recorder/history/clips.ts'
import { serving } from '#test/recorder/history/serving.ts'
import { axeViolations, outsideOfWindow } from '../page/accessibility.ts'
import { relayFor } from '../peers.ts'

const EVENTS = 10_000
/** A folder for pictures of the page, to look at. */
const FOLDER = process.env.WIMZ_PAGE_PICTURES
/** Longest wait for what the page does, ms. */
const STEP_DEADLINE_MS = 90_000
const SIZES = [
  [1440, 900],
  [1024, 768],
  [390, 844],
] as const

/** Events of one day, one every 4 s, and each third an object. */
function dayOf(count: number): HistoryRecord[] {
  return Array.from({ length: count }, (_, n): HistoryRecord => {
    const at = START - 20_000_000 + n * 4_000
    const name = n % 2 ? 'bark' : 'treat_dispensed'
    return n % 3 === 0 ? trackOf(n, at) : { type: 'event', at, name, facts: { count: n }, kept: true }
  })
}

function trackOf(n: number, at: number): HistoryRecord {
  const times = { at, endedAt: at + 9_000 }
  const zones = n % 5 === 0 ? ['sofa'] : []
  return { type: 'track', id: `t${n}`, ...times, label: n % 2 ? 'cat' : 'dog', topScore: 0.9, zones }
}

async function showing(t: TestContext, browser: Browser, { count = 0, token = '' } = {}) {
  const dataDir = temporaryFolder(t)
  mkdirSync(join(dataDir, 'recorder'))
  {
    using store = HistoryStore.open(join(dataDir, 'recorder/history.db')).store
    store.write(dayOf(count))
  }
  const history = await serving(t, dataDir)
  const reasons = [
    { kind: 'zone', label: 'dog', zone: 'sofa', at: START + 64_000 },
    { kind: 'event', event: 'bark', at: START + 67_000 },
  ] as const
  history.clips.add(clipOf(0))
  history.clips.add(clipOf(60, { reasons: [...reasons], hasAudio: false }))
  history.clips.add(clipOf(120, { reasons: [{ kind: 'treat', at: START + 125_000 }] }))
  const { address } = await relayFor(t, token ? { token: 'drive-it', watch_token: 'look' } : {}, {}, dataDir)
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: 'UTC' })
  t.after(() => context.close())
  const complaints: string[] = []
  const page = await context.newPage()
  page.setDefaultTimeout(STEP_DEADLINE_MS)
  page.on('console', (message) => void complaints.push(message.text()))
  page.on('pageerror', (err) => void complaints.push(String(err)))
  t.after(() => assert.deepEqual(complaints, []))
  await page.goto(`http://${address}/history?at=${START}${token && `&token=${token}`}`)
  await page.locator('#rows li').first().waitFor()
  return { ...history, page, address }
}

const row = (page: Page, text: string | RegExp) => page.locator('#rows li').filter({ hasText: text })
const video = <T>(page: Page, read: (video: HTMLVideoElement) => T) =>
  page.locator('#clip').evaluate(read as never) as Promise<T>
const playing = (page: Page) =>
  page.waitForFunction(() => (document.querySelector<HTMLVideoElement>('#clip')?.readyState ?? 0) >= 2)

test('the page of the history', { skip: without('chromium'), timeout: 900_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())

  await t.test('ten thousand events: a list of a few rows, to its end', async (t) => {
    const { page } = await showing(t, browser, { count: EVENTS })
    await page.getByText(`${EVENTS + 3}`, { exact: true }).waitFor()
    assert.ok((await page.locator('#rows li').count()) < 80)
    await page.locator('#items').evaluate((box) => box.scrollTo(0, box.scrollHeight))
    await row(page, '06:26:40').first().waitFor()
    assert.ok((await page.locator('#rows li').count()) < 80)
    const [paint] = await page.evaluate(() =>
      performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime),
    )
    t.diagnostic(`first paint after ${Math.round(paint ?? 0)} ms`)
    if (FOLDER) await page.screenshot({ path: `${FOLDER}/history-10000.png` })
  })

  await t.test('a recording plays from its event, by frames, at another speed', async (t) => {
    const { page } = await showing(t, browser)
    await row(page, /Dog in sofa, bark/)
      .getByRole('button')
      .click()
    await playing(page)
    assert.match((await page.locator('#player-note').textContent()) ?? '', /12:01:00 Dog in sofa, bark/)
    await page.getByRole('button', { name: 'One frame forward' }).click()
    await page.waitForFunction(() => document.querySelector<HTMLVideoElement>('#clip')?.paused)
    const before = await video(page, ({ currentTime }) => currentTime)
    assert.ok(before >= 3, `at ${before} s`)
    await page.keyboard.press('.')
    await page.waitForFunction(
      (at) => (document.querySelector<HTMLVideoElement>('#clip')?.currentTime ?? 0) > at,
      before,
    )
    await page.getByRole('button', { name: 'To the event' }).click()
    assert.equal(await video(page, ({ currentTime }) => currentTime), 6)
    await page.getByLabel('Speed').selectOption('2')
    assert.equal(await video(page, ({ playbackRate }) => playbackRate), 2)
    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download' }).click()
    assert.match((await download).suggestedFilename(), /^wimz-2026-05-0\d-\d\d-01-00\.mp4$/)
  })

  await t.test('a favorite, and a deletion that is taken back', async (t) => {
    const { page, clips } = await showing(t, browser)
    await row(page, 'Treat').getByRole('button').click()
    await page.getByRole('button', { name: 'Favorite', exact: true }).click()
    await until(() => clips.get('clip-120')?.favorite === true, { deadline: STEP_DEADLINE_MS })
    await page.getByRole('button', { name: 'Favorites' }).click()
    await page.waitForFunction(() => document.querySelectorAll('#rows li').length === 1)
    await page.getByRole('button', { name: 'Favorites' }).click()
    await page.waitForFunction(() => document.querySelectorAll('#rows li').length === 3)
    await row(page, 'Treat').getByRole('button').click()
    await page.keyboard.press('Delete')
    await page.getByText('Deleted: Treat').waitFor()
    await page.waitForFunction(() => document.querySelectorAll('#rows li').length === 2)
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.waitForFunction(() => document.querySelectorAll('#rows li').length === 3)
  })

  await t.test('filters, the timeline by keyboard and pointer, and another day', async (t) => {
    const { page } = await showing(t, browser, { count: 300 })
    await page.locator('#zone').selectOption('sofa')
    await page.getByText('21', { exact: true }).waitFor()
    await page.locator('#types').selectOption('clip')
    await page.getByText('1', { exact: true }).waitFor()
    await page.locator('#zone').selectOption('')
    await page.getByText('3', { exact: true }).waitFor()
    const timeline = page.getByRole('slider', { name: 'Time of day' })
    await timeline.press('End')
    await timeline.press('ArrowLeft')
    assert.match((await timeline.getAttribute('aria-valuetext')) ?? '', /12:01:00 Dog in sofa/)
    for (let i = 0; i < 9; i++) await page.getByRole('button', { name: 'Show less of the day' }).click()
    const box = await timeline.boundingBox()
    assert.ok(box)
    await page.mouse.move(box.x + box.width / 2, box.y + 32)
    await page.locator('#preview').waitFor()
    await page.waitForFunction(
      () => (document.querySelector<HTMLImageElement>('#preview-picture')?.naturalWidth ?? 0) > 0,
    )
    await page.mouse.move(2, 2)
    await row(page, 'Treat').getByRole('button').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.locator('[aria-current="true"]').getByText('Dog in sofa').waitFor()
    await page.getByRole('button', { name: 'Previous day' }).click()
    await page.getByText('Nothing on this day').waitFor()
    await page.getByRole('link', { name: 'Live' }).click()
    await page.waitForURL(/\/$/)
  })

  await t.test('the layout, in both color schemes', async (t) => {
    const { page } = await showing(t, browser, { count: 300 })
    await row(page, '12:02:00').getByRole('button').click()
    await playing(page)
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height })
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        const where = `${width} × ${height}, ${colorScheme}`
        assert.deepEqual(await outsideOfWindow(page, 'button, select, input, .card, .screen, a'), [], where)
        assert.deepEqual(await axeViolations(page), [], where)
        if (FOLDER) await page.screenshot({ path: `${FOLDER}/history-${width}-${colorScheme}.png` })
      }
    }
  })

  await t.test('a login for watching only looks, and changes nothing', async (t) => {
    const { page } = await showing(t, browser, { token: 'look' })
    await row(page, 'Treat').getByRole('button').click()
    await playing(page)
    assert.equal(await page.getByRole('button', { name: 'Delete' }).isVisible(), false)
    assert.equal(await page.getByRole('button', { name: 'Favorite', exact: true }).isVisible(), false)
  })
})

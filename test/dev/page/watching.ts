/// <reference lib="dom" />
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { without } from '#test/helpers/tools.ts'
import { relayFor } from '../peers.ts'
import { actAsRobot } from './browser-robot.ts'

export const skip = without('chromium')

export interface Handles {
  state: string
  sessions: number
  latency: { p50: number; p95: number; n: number } | null
  pc: RTCPeerConnection | null
}

export const handles = (page: Page) =>
  page.evaluate(() => {
    const { state, sessions, latency } = globalThis.wimz as unknown as Handles
    return { state, sessions, latency }
  })

/** Longest wait for what a page does, ms: on a busy machine a step takes 30 times as long. */
const STEP_DEADLINE_MS = 90_000

export const inState = (page: Page, state: string) =>
  page.waitForFunction((wanted) => (globalThis.wimz as unknown as Handles).state === wanted, state, {
    timeout: STEP_DEADLINE_MS,
    polling: 50,
  })

export const says = (page: Page, text: RegExp) =>
  page.getByText(text).first().waitFor({ timeout: STEP_DEADLINE_MS })

/** A relay with a robot that is a page, and viewer pages that must not complain. */
export async function watching(t: TestContext, browser: Browser, section: object = {}) {
  const complaints: string[] = []
  let ended = false
  let tolerated: RegExp | undefined
  // the relay goes before the pages, which miss it then
  t.after(() => {
    ended = true
  })
  const complain = (text: string) => {
    if (!(ended || tolerated?.test(text))) complaints.push(text)
  }
  const relay = await relayFor(t, section)
  const context = await browser.newContext({ viewport: { width: 800, height: 450 } })
  t.after(() => context.close())
  const device = await relay.robot()
  const robotPage = await actAsRobot(context, device)
  t.after(() => assert.deepEqual(complaints, []))
  const view = async (query = '') => {
    const page = await context.newPage()
    page.setDefaultTimeout(STEP_DEADLINE_MS)
    page.on('console', (message) => complain(message.text()))
    page.on('pageerror', (err) => complain(String(err)))
    await page.goto(`http://${relay.address}/${query}`)
    return page
  }
  const tolerate = (complaint: RegExp) => {
    tolerated = complaint
  }
  return { ...relay, context, device, robotPage, view, tolerate }
}

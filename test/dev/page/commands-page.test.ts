/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { launchBrowser } from '#dev/harness/browser.ts'
import { actAsRobot } from './browser-robot.ts'
import { inState, says, skip, watching } from './watching.ts'

const answer = (page: Page) => page.locator('#answer')

/** Waits until the answer is this. */
const shows = (page: Page, text: string) =>
  page.waitForFunction((wanted) => document.getElementById('answer')?.textContent === wanted, text)

const channelIsOpen = (page: Page) =>
  page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open')

/** The id of the first message of this type that the robot receives on its data channel. */
async function idOnChannel(robot: Page, type: string): Promise<unknown> {
  const found = await robot.waitForFunction(
    (wanted) => globalThis.robot.heard.find(({ message }) => message.type === wanted)?.message.id,
    type,
  )
  return await found.jsonValue()
}

test('answers to the commands of the viewer page', { skip, concurrency: 2, timeout: 280_000 }, async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())

  void t.test('the answer to an older command does not replace that to a newer one', async (t) => {
    const { view, device } = await watching(t, browser)
    const page = await view()
    await page.getByRole('button', { name: 'Give a treat' }).click()
    const treat = await device.next(({ command }) => command === 'dispense_treat')
    await shows(page, 'Treat…')
    await page.getByRole('button', { name: 'Take a photo' }).click()
    const photo = await device.next(({ command }) => command === 'take_photo')
    device.send({ type: 'command_ack', command: 'take_photo', id: photo.id, success: true })
    await shows(page, 'Photo: done')
    device.send({
      type: 'command_ack',
      command: 'dispense_treat',
      id: treat.id,
      success: false,
      error: 'empty',
    })
    await page.getByLabel('Latest events').getByText('empty').waitFor()
    await shows(page, 'Photo: done')
    await shows(page, '') // after 10 s
    assert.equal(await answer(page).isVisible(), false)
  })

  void t.test('an error of the relay is shown with the command, until the robot is back', async (t) => {
    const { view, device, robot, robotPage, context } = await watching(t, browser)
    await robotPage.close() // a session that plays outlives the robot's link, and has a data channel
    const page = await view()
    await page.getByText('online').waitFor()
    device.socket.terminate()
    await says(page, /The robot is offline/)
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await shows(page, 'Stop: the robot is not connected')
    await actAsRobot(context, await robot())
    await shows(page, '')
  })

  void t.test('a stop that reached the robot on one path succeeded', async (t) => {
    const { view, device, robotPage, relay, tolerate } = await watching(t, browser)
    const page = await view()
    await inState(page, 'playing')
    await channelIsOpen(page)
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    const { id } = await device.next(({ command }) => command === 'stop')
    assert.equal(await idOnChannel(robotPage, 'stop'), id)
    device.send({ type: 'command_ack', command: 'stop', id, success: false, error: 'robot is restarting' })
    await robotPage.evaluate(
      (ack) => globalThis.robot.tell({ ...ack, type: 'command_ack', command: 'stop', success: true }),
      { id },
    )
    await shows(page, 'Stop: done')
    await page.getByText('done, over the data channel').waitFor()

    // the relay is gone: the data channel alone carries it
    await robotPage.evaluate(() => globalThis.robot.heard.splice(0))
    tolerate(/WebSocket connection|ERR_CONNECTION_REFUSED/) // the browser itself
    await relay[Symbol.asyncDispose]()
    await says(page, /away/)
    await page.locator('header').click()
    await page.keyboard.press('Space')
    const second = await idOnChannel(robotPage, 'emergency_stop')
    await robotPage.evaluate(
      (ack) =>
        globalThis.robot.tell({ ...ack, type: 'command_ack', command: 'emergency_stop', success: true }),
      { id: second },
    )
    await shows(page, 'Emergency stop: done')
  })
})

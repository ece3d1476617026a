import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { openViewer, waitForFrames } from '#dev/harness/page.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { startStack } from '#dev/harness/stack.ts'
import { openApp } from '#test/helpers/app.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const log = { warn() {}, info() {}, debug() {} }

test('two robots on one Mosquitto, told apart by bus.prefix: video of both, events to the right relay, no takeover', {
  skip: without('mosquitto', 'chromium'),
  timeout: 400_000,
}, async (t) => {
  const [port = 0] = await freePorts(1)
  const conf = `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_type all`
  const mosquitto = await startMosquitto(temporaryFolder(t), port, conf)
  closeAfter(t, () => mosquitto[Symbol.asyncDispose]())
  // its log keeps the last lines alone
  const connections: string[] = []
  createInterface(mosquitto.process.stderr as Readable).on('line', (line) => {
    if (/client/i.test(line)) connections.push(line)
  })
  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  const url = `mqtt://127.0.0.1:${port}`
  const robots = []
  for (const prefix of ['rex', 'bella']) {
    const bus = { url, prefix }
    const config = { broker: { enabled: false }, bus, cloud: { device_id: `wimz_${prefix}` } }
    const stack = await startStack(config, { within: 60_000 })
    closeAfter(t, () => stack[Symbol.asyncDispose]())
    const app = await openApp(stack.relayPort)
    closeAfter(t, () => app[Symbol.dispose]())
    const sensor = await connectBus({ ...bus, service: 'sensor', version: '1', log, announce: false })
    closeAfter(t, () => sensor[Symbol.asyncDispose]())
    robots.push({ prefix, stack, app, sensor, page: await openViewer(browser, stack.page, 60_000) })
  }
  for (const { page } of robots) await waitForFrames(page, 15, 60_000)
  for (const { prefix, sensor } of robots) {
    await sensor.publish(topics.event, { from: prefix }, { name: 'treat_dispensed' })
  }
  for (const { prefix, app } of robots) {
    await app.frame((frame) => JSON.stringify(frame).includes(`"from":"${prefix}"`), 30_000)
  }
  for (const { page } of robots) await waitForFrames(page, 15, 60_000)
  for (const { prefix, app } of robots) {
    const events = app.frames.filter((frame) => JSON.stringify(frame).includes('"from":'))
    assert.equal(events.length, 1, `${prefix}: ${JSON.stringify(events)}`)
  }
  assert.doesNotMatch(connections.join('\n'), /already connected|session taken over/)
  const ids = connections.map((line) => /New client connected from \S+ as (\S+)/.exec(line)?.[1] ?? '')
  const services = ids.filter((id) => /^(relay-bridge|webrtc|vision)/.test(id))
  assert.equal(services.length, 8, `each of four clients a robot connected once: ${services.join(' ')}`)
  assert.ok(services.every((id) => /-(rex|bella)$/.test(id)))
})

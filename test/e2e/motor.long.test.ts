import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { WebSocket } from 'ws'
import { type Bus, connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { isAlive } from '#dev/harness/is-alive.ts'
import { openViewer } from '#dev/harness/page.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { staysTrue, until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { holdStick, letGo } from './stick.ts'

/** Generous for a shared machine; the figures are printed. */
const SOON = 1_500

/** A motor service, written from docs/motor-safety.md alone. */
async function startMotors(stack: Stack) {
  const bus: Bus = await connectBus({
    ...{ ...stack.login, prefix: 'wimz', service: 'motors', version: '0' },
    log: { warn: () => motors.stop(), info() {}, debug() {} },
    announce: false,
  })
  let watchdog: NodeJS.Timeout | undefined
  const motors = {
    speed: 0,
    lastCommand: 0,
    stoppedAt: 0,
    /** When a zero came. */
    zeroAt: 0,
    stop() {
      if (motors.speed !== 0) motors.stoppedAt = performance.now()
      motors.speed = 0
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
  await bus.subscribe(topics.motor, ({ params: { left } }) => {
    clearTimeout(watchdog)
    if (left === 0) {
      motors.zeroAt = performance.now()
      motors.stop()
    } else {
      motors.speed = Number(left)
      motors.lastCommand = performance.now()
      watchdog = setTimeout(motors.stop, 500)
    }
  })
  await bus.subscribe(topics.serviceState, ({ state }, { params }) => {
    if (state === 'offline' && ['webrtc', 'relay-bridge'].includes(params.service)) motors.stop()
  })
  return motors
}

/** Holds the stick until the page is gone or {@link letGo} is called. */
async function hold(page: Page): Promise<void> {
  await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open', undefined, {
    timeout: 15_000,
  })
  await holdStick(page)
}

/** An app that drives over the relay, until it is closed. */
async function driveOverRelay({ relayPort }: Stack): Promise<WebSocket> {
  const app = new WebSocket(`ws://127.0.0.1:${relayPort}/ws/app`)
  await once(app, 'open', { signal: AbortSignal.timeout(5_000) })
  app.send(JSON.stringify({ type: 'session_hello', session_id: crypto.randomUUID() }))
  const timer = setInterval(() => {
    const data = { left: 0.5, right: 0.5 }
    app.send(JSON.stringify({ type: 'command', command: 'motor', data, timestamp: Date.now() }))
  }, 50)
  app.on('close', () => clearInterval(timer))
  app.on('error', () => {}) // the relay is killed
  return app
}

test('the motors stop when the driver’s browser or any process of ours is killed (P15, H07)', {
  skip: without('chromium'),
  timeout: 240_000,
}, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const motors = await startMotors(stack)
  closeAfter(t, () => motors[Symbol.asyncDispose]())

  await t.test('the browser, five times', async () => {
    const took: number[] = []
    const zeros: number[] = []
    for (let i = 0; i < 5; i++) {
      const browser = await launchBrowser()
      const session = await browser.newBrowserCDPSession()
      const { processInfo } = await session.send('SystemInfo.getProcessInfo')
      const page = await openViewer(browser, stack.page)
      await hold(page)
      await until(() => motors.speed > 0, { deadline: 5_000, every: 5, show: () => motors })
      for (const { id } of processInfo) if (isAlive(id)) process.kill(id, 'SIGKILL')
      await browser.close().catch(() => {})
      await until(() => motors.speed === 0, { deadline: 5_000, every: 5, show: () => motors })
      took.push(Math.round(motors.stoppedAt - motors.lastCommand))
      await until(() => motors.zeroAt > motors.lastCommand, { deadline: 5_000, every: 5, show: () => motors })
      zeros.push(Math.round(motors.zeroAt - motors.lastCommand))
    }
    t.diagnostic(`browser killed: motors stood ${took.join(', ')} ms after the last command`)
    t.diagnostic(`and the zero was on the bus after ${zeros.join(', ')} ms`)
    assert.ok(Math.max(...took, ...zeros) <= SOON)
  })

  const standing = async (what: string) => {
    const start = performance.now()
    await until(() => motors.speed === 0, { deadline: 5_000, every: 5, show: () => motors })
    t.diagnostic(`${what}: motors stood after ${Math.round(performance.now() - start)} ms`)
    assert.ok(performance.now() - start <= SOON)
  }

  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  for (const service of ['webrtc', 'broker']) {
    await t.test(`${service}, which the commands go through`, async () => {
      const page = await openViewer(browser, stack.page, 30_000)
      await hold(page)
      await until(() => motors.speed > 0, { deadline: 10_000, every: 5, show: () => motors })
      const back = stack.kill(service, 20_000)
      await standing(`${service} killed`)
      await page.close()
      await back
    })
  }

  for (const service of ['relay-bridge', 'local-relay']) {
    await t.test(`${service}, while an app drives over the relay`, async () => {
      const app = await driveOverRelay(stack)
      await until(() => motors.speed > 0, { deadline: 20_000, every: 5, show: () => motors })
      const back = stack.kill(service, 20_000)
      await standing(`${service} killed, driven over the relay`)
      app.terminate()
      await back
    })
  }

  await t.test('relay-bridge, while an app drives on the data channel: the drive goes on', async () => {
    const page = await openViewer(browser, stack.page, 30_000)
    await hold(page)
    await until(() => motors.speed > 0, { deadline: 10_000, every: 5, show: () => motors })
    const back = stack.kill('relay-bridge', 20_000)
    await back
    await until(() => motors.speed > 0, { deadline: 2_000, every: 5, show: () => motors })
    await page.close()
    await standing('page closed')
  })

  await t.test('webrtc is stopped and continued: frames that waited move nothing (B24)', async () => {
    const page = await openViewer(browser, stack.page, 30_000)
    await hold(page)
    await until(() => motors.speed > 0, { deadline: 10_000, every: 5, show: () => motors })
    const pid = stack.pids.get('webrtc')
    assert.ok(pid)
    process.kill(pid, 'SIGSTOP')
    try {
      await standing('webrtc stopped')
      await sleep(300)
      await letGo(page)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    const moved = motors.lastCommand
    await staysTrue(() => motors.lastCommand === moved, 1_000, { show: () => motors })
    await hold(page)
    await until(() => motors.speed > 0, { deadline: 10_000, every: 5, show: () => motors })
    await page.close()
  })
})

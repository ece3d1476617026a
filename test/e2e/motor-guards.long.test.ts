import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { openApp } from '#test/helpers/app.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { openViewer } from '#test/webrtc/viewer.ts'

/** Generous for a shared machine; the figures are printed. */
const SOON = 1_500
/** A drive command as a current app sends it. */
const go = (seq: number) => ({ command: 'motor', left: 0.5, right: 0.5, seq, ts: Date.now() })
/** A frame that was under way for longer moves nothing: 500 ms beyond the fastest one, and what the machine adds, ms. */
const MAX_FRAME_AGE = 800

/** What is on `command/motor`: the last move and the first zero after it, by whom. */
async function watchMotors(stack: Stack) {
  const bus = await stack.join('motors')
  const motors = { moves: 0, movedAt: 0, zeroAt: 0, zeroBy: '', moving: false, oldest: 0 }
  await bus.subscribe(topics.motor, ({ source, params }) => {
    const now = performance.now()
    if (params.left !== 0) {
      Object.assign(motors, { moves: motors.moves + 1, movedAt: now, moving: true })
      motors.oldest = Math.max(motors.oldest, Date.now() - Number(params.ts))
    } else if (motors.moving) {
      Object.assign(motors, { zeroAt: now, zeroBy: source, moving: false })
    }
  })
  return motors
}

type Drive = { stop(): Promise<void> | void }
type Motors = Awaited<ReturnType<typeof watchMotors>>

/** Drives over the data channel, ten times a second, until it is stopped. */
async function driveByChannel(
  t: TestContext,
  stack: Stack,
  id: string,
): Promise<Drive & { send(message: object): void }> {
  // the test stands in for the bridge: it asks for a session on the bus, so the relay has no part in it
  const viewer = await openViewer(t, await stack.join('signaling'), id)
  const channel = await viewer.channel
  const send = (message: object) => {
    if (channel.readyState === 'open') channel.send(JSON.stringify(message))
  }
  let seq = 0
  const timer = setInterval(() => send(go(++seq)), 100)
  closeAfter(t, () => clearInterval(timer))
  return {
    send,
    async stop() {
      clearInterval(timer)
      await viewer.close()
    },
  }
}

/** Drives over the relay, ten times a second, until it is stopped. */
async function driveByRelay(
  t: TestContext,
  { relayPort }: Stack,
): Promise<Drive & { send(message: object): void }> {
  const app = await openApp(relayPort)
  closeAfter(t, () => app[Symbol.dispose]())
  const send = (message: object) => app.send({ type: 'command', timestamp: Date.now(), ...message })
  let seq = 0
  const timer = setInterval(() => send(go(++seq)), 100)
  closeAfter(t, () => clearInterval(timer))
  return {
    send,
    stop() {
      clearInterval(timer)
      app[Symbol.dispose]()
    },
  }
}

const moving = (motors: Motors) => {
  const { moves } = motors
  return until(() => motors.moves > moves + 3, { deadline: 30_000, show: () => motors })
}
const zero = (motors: Motors) =>
  until(() => !motors.moving, { deadline: 5_000, every: 2, show: () => motors })

/** Freezes a process until the function has returned. */
async function frozen<T>(stack: Stack, service: string, during: () => Promise<T>): Promise<T> {
  const pid = stack.pids.get(service)
  assert.ok(pid, service)
  process.kill(pid, 'SIGSTOP')
  try {
    return await during()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

const WAYS = {
  webrtc: { other: 'relay', drive: driveByChannel },
  'relay-bridge': { other: 'datachannel', drive: (t: TestContext, stack: Stack) => driveByRelay(t, stack) },
} as const

test('when the process that drives is frozen or killed, the other one publishes the zero (B02, H07)', {
  timeout: 300_000,
}, async (t) => {
  const stack = await startStack({ vision: { source: { type: 'synthetic' }, detector: { enabled: false } } })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const motors = await watchMotors(stack)

  for (const [service, { other, drive }] of Object.entries(WAYS)) {
    await t.test(`${service} frozen`, async (t) => {
      const took: number[] = []
      const driver = await drive(t, stack, `frozen ${service}`)
      for (let i = 0; i < 5; i++) {
        await moving(motors)
        await frozen(stack, service, async () => {
          await zero(motors)
          took.push(Math.round(motors.zeroAt - motors.movedAt))
          assert.equal(motors.zeroBy, other)
          await sleep(500)
        })
      }
      await driver.stop()
      await zero(motors)
      t.diagnostic(`zero by the ${other} ${took.join(', ')} ms after the last move`)
      assert.ok(Math.max(...took) <= SOON)
    })

    await t.test(`${service} killed`, async (t) => {
      const driver = await drive(t, stack, `killed ${service}`)
      await moving(motors)
      const back = stack.kill(service, 30_000)
      await zero(motors)
      t.diagnostic(
        `zero by the ${motors.zeroBy} ${Math.round(motors.zeroAt - motors.movedAt)} ms after the last move`,
      )
      assert.ok(motors.zeroAt - motors.movedAt <= SOON)
      await back
      await driver.stop()
      await zero(motors)
    })
  }

  await t.test(
    'both entrances drive at once, one is frozen: the other one goes on, then a stop holds both',
    async (t) => {
      const [channel, relay] = [await driveByChannel(t, stack, 'both'), await driveByRelay(t, stack)]
      await moving(motors)
      await frozen(stack, 'webrtc', () => moving(motors))
      await moving(motors)
      for (const by of [channel, relay]) {
        by.send({ command: 'emergency_stop' })
        await zero(motors)
        await sleep(100)
        assert.equal(motors.moving, false, 'after the zeros')
        await moving(motors)
      }
      await channel.stop()
      await relay.stop()
      await zero(motors)
      assert.ok(motors.zeroAt - motors.movedAt <= SOON)
    },
  )

  await t.test('drivers that take over from each other', async (t) => {
    for (let i = 0; i < 4; i++) {
      const driver = i % 2 === 0 ? await driveByChannel(t, stack, `turn ${i}`) : await driveByRelay(t, stack)
      await moving(motors)
      await driver.stop()
      await zero(motors)
      assert.ok(motors.zeroAt - motors.movedAt <= SOON)
    }
  })

  await t.test('the relay is frozen for 3 s: what it held back moves nothing', async (t) => {
    const driver = await driveByRelay(t, stack)
    await moving(motors)
    await frozen(stack, 'local-relay', async () => {
      await zero(motors)
      assert.ok(motors.zeroAt - motors.movedAt <= SOON)
      await sleep(2_000)
      await driver.stop()
      // by then its newest frame is old as well
      await sleep(1_000)
    })
    const { moves } = motors
    await sleep(1_500)
    assert.equal(motors.moves, moves)
  })

  t.diagnostic(`oldest frame that moved the motors: ${motors.oldest} ms`)
  assert.ok(motors.oldest <= MAX_FRAME_AGE)

  // its backlog holds old frames, with the newest of them, or a zero, right behind
  await t.test('the broker is frozen, and killed', async (t) => {
    const driver = await driveByRelay(t, stack)
    await moving(motors)
    await frozen(stack, 'broker', () => sleep(2_000))
    await moving(motors)
    await stack.kill('broker', 30_000)
    await moving(motors)
    await driver.stop()
    await zero(motors)
    assert.ok(motors.zeroAt - motors.movedAt <= SOON)
  })
})

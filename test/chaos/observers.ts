import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { topics } from '#bus/topics.ts'
import type { Stack } from '#dev/harness/stack.ts'
import { holdStick, letGo } from '#test/e2e/stick.ts'
import { type App, openApp } from '#test/helpers/app.ts'

export const RECOVERY_LIMIT_MS = 60_000
const EVENT_EVERY_MS = 200
const COMMAND_EVERY_MS = 250
/** A motor service stops by itself this long after the last command (docs/motor-safety.md). */
const DEAD_MAN_MS = 500
/** From the last command of a driver to zero speed, with what a busy machine adds. */
const STOP_LIMIT_MS = 1_200

/** Events of a robot service, numbered; those that the bus has acknowledged must arrive. */
export async function publishEvents(stack: Stack) {
  const bus = await stack.join('treats')
  const accepted: number[] = []
  let n = 0
  const timer = setInterval(() => {
    const number = ++n
    bus
      .publish(topics.event, { n: number, treats: 1 }, { name: 'treat_dispensed' })
      .then(() => accepted.push(number))
      .catch(() => {})
  }, EVENT_EVERY_MS)
  return { accepted, stop: () => clearInterval(timer) }
}

/** Waits for the events that the bus has acknowledged; returns what was lost or came out of order. */
export async function eventsArrived(
  accepted: readonly number[],
  arrived: readonly number[],
): Promise<string[]> {
  const deadline = performance.now() + RECOVERY_LIMIT_MS
  const missing = () => {
    const there = new Set(arrived)
    return accepted.filter((n) => !there.has(n))
  }
  while (missing().length > 0 && performance.now() < deadline) await sleep(250)
  const lost = missing()
  const late = arrived.filter((n, i) => i > 0 && n < (arrived[i - 1] ?? 0))
  return [
    ...(lost.length > 0 ? [`${lost.length} events lost: ${lost.slice(0, 10).join(', ')}`] : []),
    ...(late.length > 0 ? [`${late.length} events out of order: ${late.slice(0, 10).join(', ')}`] : []),
  ]
}

/** An app that asks the robot something all the time, and a robot service that answers. */
export async function sendCommands(stack: Stack) {
  const bus = await stack.join('pinged')
  await bus.subscribe(
    topics.command,
    async ({ id, name }) => await bus.publish(topics.commandResult, { id, name, success: true }),
    { name: 'ping' },
  )
  const sent = new Map<string, number>()
  /** When the newest answered command was sent; performance.now(). */
  const seen = { answeredUntil: 0 }
  /** From a command to its acknowledgment, ms; the reader empties it. */
  const roundTrips: number[] = []
  let app: App | undefined
  let n = 0
  let isOpening = false
  const timer = setInterval(async () => {
    try {
      const id = `chaos-${++n}`
      sent.set(id, performance.now())
      if (app) return app.send({ type: 'command', command: 'ping', id, data: {}, timestamp: Date.now() })
      if (isOpening) return
      isOpening = true
      app = await openApp(stack.relayPort, (frame) => {
        const at = sent.get(String(frame.id))
        if (at === undefined || frame.type !== 'command_ack' || frame.success !== true) return
        seen.answeredUntil = Math.max(seen.answeredUntil, at)
        sent.delete(String(frame.id))
        roundTrips.push(performance.now() - at)
      })
    } catch {
      // the relay is away
    } finally {
      isOpening = false
    }
  }, COMMAND_EVERY_MS)
  return {
    seen,
    roundTrips,
    /** Opens a new connection when the relay has ended the last one. */
    reopenIfClosed() {
      if (!app?.isClosed) return
      app[Symbol.dispose]()
      app = undefined
    },
    stop() {
      clearInterval(timer)
      app?.[Symbol.dispose]()
    },
  }
}

/** A motor service by docs/motor-safety.md, and what it did against the rules. */
export async function watchMotors(stack: Stack) {
  const bus = await stack.join('motors')
  const motors = { speed: 0, movedAt: 0, commands: 0 }
  let watchdog: NodeJS.Timeout | undefined
  const stop = () => {
    motors.speed = 0
  }
  await bus.subscribe(topics.motor, ({ params: { left } }, { retained }) => {
    if (retained) return
    clearTimeout(watchdog)
    motors.speed = Number(left)
    if (motors.speed === 0) return
    motors.movedAt = performance.now()
    motors.commands++
    watchdog = setTimeout(stop, DEAD_MAN_MS)
  })
  return motors
}

export type Motors = Awaited<ReturnType<typeof watchMotors>>

/** A driver at the stick, on the data channel of the page or by the relay; returns how to let go without a word. */
export async function drive(
  by: 'page' | 'relay',
  page: Page,
  relayPort: number,
): Promise<() => Promise<void>> {
  if (by === 'page') {
    await holdStick(page)
    return () => letGo(page)
  }
  const app = await openApp(relayPort)
  const data = { left: 0.5, right: 0.5 }
  const timer = setInterval(
    () => app.send({ type: 'command', command: 'motor', data, timestamp: Date.now() }),
    50,
  )
  return () => {
    clearInterval(timer)
    app[Symbol.dispose]()
    return Promise.resolve()
  }
}

/** Waits until the motors must stand; whether they did, and did not move again. */
export async function haveStopped(motors: Motors): Promise<boolean> {
  await sleep(STOP_LIMIT_MS)
  const { movedAt } = motors
  if (motors.speed !== 0) return false
  await sleep(STOP_LIMIT_MS)
  return motors.movedAt === movedAt
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { type Collector, collect } from '#dev/harness/collect.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { type App, openApp } from '#test/helpers/app.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { openViewer } from '#test/webrtc/viewer.ts'

const ROUNDS = 20
const SERVICES = ['relay-bridge', 'webrtc', 'vision'] as const
/** What each service may take, ms: from the death of the broker to a service that says again that it is there. */
const BACK_WITHIN = 3_000
const COMMAND_EVERY = 50
const READING_EVERY = 20
/** A reading that comes this late was kept for later, ms. */
const STALE = 1_500

/** A robot service that carries out `ping`, and counts what it is asked. */
async function startPingService(stack: Stack) {
  const bus = await stack.join('pinged')
  const asked = new Map<string, number>()
  await bus.subscribe(
    topics.command,
    async ({ id, name, params }) => {
      const n = String(params.n)
      asked.set(n, (asked.get(n) ?? 0) + 1)
      await bus.publish(topics.commandResult, { id, name, success: true })
    },
    { name: 'ping' },
  )
  return asked
}

/** An app that sends a command every so often over the relay, each with its number. */
function sendPings(app: App) {
  let n = 0
  const timer = setInterval(() => {
    n++
    app.send({ type: 'command', command: 'ping', id: `${n}`, data: { n }, timestamp: Date.now() })
  }, COMMAND_EVERY)
  return {
    stop() {
      clearInterval(timer)
      return n
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** Readings, QoS 0, from one client to another; what comes late is kept for the verdict. */
async function sendReadings(stack: Stack) {
  const [from, to] = [await stack.join('thermometer'), await stack.join('display')]
  const delays: number[] = []
  await to.subscribe(
    topics.telemetry,
    (reading, { retained }) => {
      if (!retained) delays.push(performance.now() - Number(reading?.at))
    },
    { source: 'thermometer' },
  )
  const timer = setInterval(() => {
    from.publish(topics.telemetry, { at: performance.now() }, { source: 'thermometer' }).catch(() => {})
  }, READING_EVERY)
  return { delays, [Symbol.dispose]: () => clearInterval(timer) }
}

/**
 * What a client that subscribes now receives first. A state that is published during the SUBSCRIBE arrives without the
 * retain flag [MQTT-3.3.1-9]: those services are `live`.
 */
async function firstStates(stack: Stack): Promise<{
  bus: Bus
  states: Record<string, unknown>
  retained: Record<string, unknown>
  live: Set<string>
  connected: boolean | undefined
}> {
  const bus = await stack.join(`latecomer-${crypto.randomUUID()}`)
  const states: Record<string, unknown> = {}
  const kept: Record<string, unknown> = {}
  const live = new Set<string>()
  let connected: boolean | undefined
  using _states = await bus.subscribe(topics.serviceState, ({ state }, { params, retained }) => {
    states[params.service] = state
    if (retained) kept[params.service] = state
    else live.add(params.service)
  })
  using _link = await bus.subscribe(topics.link, (link) => {
    connected = link.connected
  })
  const isComplete = () => connected !== undefined && SERVICES.every((service) => service in states)
  await until(isComplete, { deadline: 5_000, every: 20, show: () => states })
  return { bus, states, retained: kept, live, connected }
}

test(`the broker is killed ${ROUNDS} times under load: every service reconnects, nothing is duplicated, late or lost`, {
  timeout: 400_000,
}, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const observer = await stack.join('observer')
  const viewer = await openViewer(t, observer, 'watching')
  const asked = await startPingService(stack)
  using app = await openApp(stack.relayPort)
  using readings = await sendReadings(stack)
  using pings = sendPings(app)
  const states = await Promise.all(
    SERVICES.map((service) => collect(observer, topics.serviceState, { service })),
  )
  const took: number[] = []
  const events: string[] = []
  const liveStates: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(500 + Math.random() * 1_000)
    const pictures = viewer.video.length
    took.push(...(await killBroker(stack, states)))
    const event = { round }
    events.push(`${round}`)
    await observer.publish(topics.event, event, { name: 'alert' })
    const { bus, states: first, live, connected } = await firstStates(stack)
    for (const service of live) liveStates.push(`${service} in round ${round}`)
    for (const service of SERVICES)
      assert.equal(first[service], 'online', `${service}, round ${round}: ${JSON.stringify(first)}`)
    assert.equal(connected, true, `link, round ${round}`)
    await bus[Symbol.asyncDispose]()
    await viewer.until(({ video }) => video.length > pictures + 30, 10_000)
    // the state is retained as well, for clients that come later
    const later = await firstStates(stack)
    for (const service of SERVICES)
      assert.equal(later.retained[service], 'online', `${service}, round ${round}`)
    await later.bus[Symbol.asyncDispose]()
  }
  const sent = pings.stop()
  took.sort((a, b) => a - b)
  const worst = took.at(-1) ?? Number.POSITIVE_INFINITY
  t.diagnostic(
    `${took.length} returns: median ${took[took.length >> 1]?.toFixed(0)} ms, slowest ${worst.toFixed(0)} ms`,
  )
  await app.frame(({ id, type }) => type === 'command_ack' && id === `${sent}`)
  await sleep(6_000) // the time that a command has to be answered
  t.diagnostic(`published during a SUBSCRIBE: ${liveStates.join(', ') || 'none'}`)

  assert.ok(worst <= BACK_WITHIN, `a service was back after ${worst} ms`)
  const late = readings.delays.filter((delay) => delay > STALE)
  assert.deepEqual(late, [], 'readings of the past')
  verdict()

  /** Each command has one acknowledgment, and one that succeeded was carried out once. */
  function verdict(): void {
    const acks = Map.groupBy(
      app.frames.filter(({ type }) => type === 'command_ack'),
      ({ id }) => String(id),
    )
    const refused: Record<string, number> = {}
    for (let n = 1; n <= sent; n++) {
      const [ack, ...more] = acks.get(`${n}`) ?? []
      assert.ok(ack, `command ${n} was never acknowledged`)
      assert.deepEqual(more, [], `command ${n} was acknowledged twice`)
      if (ack.success) assert.equal(asked.get(`${n}`), 1, `command ${n}`)
      else refused[String(ack.error)] = (refused[String(ack.error)] ?? 0) + 1
    }
    const alerts = app.frames
      .filter(({ event }) => event === 'alert')
      .map(({ data }) => `${Object(data).round}`)
    t.diagnostic(JSON.stringify({ sent, refused, readings: readings.delays.length, alerts: alerts.length }))
    assert.deepEqual([...new Set(alerts)], events, 'every event arrived, in order')
  }
})

/** Kills the broker and resolves with what each service took to be back, ms. */
async function killBroker(
  stack: Stack,
  states: Collector<{ state: string }, 'service'>[],
): Promise<number[]> {
  const before = states.map(({ all }) => all.length)
  const began = performance.now()
  const running = stack.kill('broker', 20_000)
  const back = states.map(async ({ all }, i) => {
    const isBack = () => all.slice(before[i]).some(({ payload }) => payload.state === 'online')
    await until(isBack, { deadline: 20_000, every: 5, show: () => SERVICES[i] })
    return performance.now() - began
  })
  const took = await Promise.all(back)
  await running
  return took
}

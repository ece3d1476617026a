import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const ROUNDS = 100

/** Resolves with the time, ms, until `arrived` is called with the same number. */
function stopwatch() {
  const running = new Map<number, { at: number; resolve(took: number): void }>()
  return {
    start(n: number): Promise<number> {
      return new Promise((resolve) => running.set(n, { at: performance.now(), resolve }))
    },
    arrived(n: number): void {
      const one = running.get(n)
      if (one) one.resolve(performance.now() - one.at)
    },
  }
}

function figures(times: number[]) {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), max: at(1) }
}

test('a handler that takes a minute delays no stop, no webrtc_close and no event (C12, B22)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link, memory } = await startBridge(t, relay, {
    cloud: { command_limits: { treats: { per_minute: 600, burst: 100 } } },
  })
  const feeder = await memory.connect('feeder')
  const ended = new AbortController()
  let started = 0
  await feeder.subscribe(
    topics.command,
    async ({ id, name }) => {
      started++
      await sleep(60_000, undefined, { signal: ended.signal }).catch(() => {
        // the test is over
      })
      if (!ended.signal.aborted) await feeder.publish(topics.commandResult, { id, name, success: true })
    },
    { name: 'treat' },
  )
  t.after(() => ended.abort())
  const watches = { stop: stopwatch(), motor: stopwatch(), close: stopwatch(), event: stopwatch() }
  await robot.subscribe(topics.command, () => watches.stop.arrived(0), { name: 'stop' })
  await robot.subscribe(topics.motor, () => watches.motor.arrived(0))
  await robot.subscribe(topics.close, () => watches.close.arrived(0))
  const socket = await relay.robot()
  socket.socket.on('message', (data) => {
    if (data.toString().includes('"bark"')) watches.event.arrived(0)
  })
  await link.next(online)
  for (let i = 0; i < 60; i++) socket.send({ command: 'treat', id: `t${i}` })
  await until(() => started >= 60, { show: () => started })
  const times: Record<keyof typeof watches, number[]> = { stop: [], motor: [], close: [], event: [] }
  for (let i = 0; i < ROUNDS; i++) {
    const [stop, motor] = [watches.stop.start(0), watches.motor.start(0)]
    socket.send({ command: 'stop', id: `s${i}` })
    times.stop.push(await stop)
    times.motor.push(await motor)
    const session_id = `session-${i}`
    socket.send({ type: 'webrtc_request', session_id, ice_servers: [] })
    const close = watches.close.start(0)
    socket.send({ type: 'webrtc_close', session_id })
    times.close.push(await close)
    const event = watches.event.start(0)
    await robot.publish(topics.event, { n: i }, { name: 'bark' })
    times.event.push(await event)
  }
  for (const [what, took] of Object.entries(times)) {
    const { p50, p95, max } = figures(took)
    t.diagnostic(
      `${what}: ${ROUNDS} times, p50 ${p50.toFixed(2)} ms, p95 ${p95.toFixed(2)} ms, max ${max.toFixed(2)} ms`,
    )
    // the median tells a handler that is waited for; the slowest one tells of the machine
    assert.ok(p50 <= 50, `${what}: p50 ${p50} ms`)
    assert.ok(max < 5_000, `${what}: max ${max} ms`)
  }
  assert.equal(started, 60)
  assert.ok(
    !socket.frames.some(({ command }) => command === 'treat'),
    'every handler was at work all the time',
  )
})

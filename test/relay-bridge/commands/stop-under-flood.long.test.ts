import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { cpuOf } from '#dev/harness/process-usage.ts'
import { until } from '#dev/harness/until.ts'
import { fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { peakMemory, startBridgeProcess } from '../bridge-process.ts'
import { hostileFrames, type WireFrame } from '../protocol/hostile-frames.ts'

const FRAMES_PER_SECOND = 5_000
const TICK_MS = 10
const FRAMES_PER_TICK = (FRAMES_PER_SECOND * TICK_MS) / 1_000
/** Encoded beforehand, and sent again and again. */
const TICKS = 100
const SECONDS_PER_FLOOD = 2.5
const STOP_INTERVAL_MS = 20
/** 99 of 100 stops are on the bus within this time. */
const LIMIT_MS = 100
const MAX_PEAK_MIB = 200
const MAX_LOG_LINES = 300
/** The send times of the stops count from here, so that each is different; a stop is never too old. */
const EPOCH = 1_700_000_000_000

const HOSTILE = hostileFrames(FRAMES_PER_TICK * 20, 1)
const command = (name: string, more: object) => JSON.stringify({ type: 'command', command: name, ...more })
const typed = (type: string, more: object) => JSON.stringify({ type, ...more })
const FLOODS: Record<string, (n: number) => WireFrame> = {
  // the reference
  pongs: () => '{"type":"pong"}',
  'unknown types': (n) => typed(`unknown ${n}`, { data: { n } }),
  'unknown commands': (n) => command(`command ${n}`, { id: `c${n}` }),
  'treats and lights': (n) => command(n % 2 ? 'treat' : 'led', { data: { n }, id: `t${n}` }),
  'drive commands': (n) => command('motor', { left: 0.3, right: 0.3, seq: n }),
  'events of a robot': (n) => JSON.stringify({ event: 'bark', id: `e${n}`, data: { n } }),
  'video requests': (n) => typed('webrtc_request', { session_id: `s${n}`, ice_servers: [] }),
  'closes of sessions': (n) => typed('webrtc_close', { session_id: `s${n}` }),
  'voice clips': (n) =>
    typed('voice_command_updated', { dog_id: 'd', command_id: `v${n}`, updated_at: 'u', audio_url: '/v' }),
  'app state': (n) => typed(n % 2 ? 'user_connected' : 'profiles', { user_id: n, profiles: [] }),
  pings: () => '{"type":"ping"}',
  'binary frames': (n) => Buffer.alloc(200, n),
  'frames that are not JSON': (n) => `{"type":"command",${n}`,
  'hostile frames': (n) => HOSTILE[n % HOSTILE.length] ?? '',
  // 20 MB a second
  'large frames': (n) => (n % 50 ? '{"type":"pong"}' : typed('audio_message', { data: 'A'.repeat(200_000) })),
}

test(`under ${FRAMES_PER_SECOND} hostile frames a second, 99 of 100 stops are on the bus within ${LIMIT_MS} ms`, {
  timeout: 120_000,
}, async (t) => {
  const relay = await fakeRelay(t)
  const { robot, bridge, broker } = await startBridgeProcess(t, relay)
  const socket = await relay.robot(20_000)
  await socket.next(({ type }) => type === 'ping', 10_000)
  // its start ends with a garbage collection of 0.1 s
  await until(() => bridge.lines.some((line) => line.includes('"msg":"started"')), { deadline: 20_000 })
  // the answers are read, and ignored
  socket.socket.removeAllListeners('message')
  const stops = await measureStops(socket, robot)
  const pids = new Map([
    ['bridge', bridge.child.pid ?? 0],
    ['broker', broker?.pid ?? 0],
    ['test', process.pid],
  ])
  const tooSlow: string[] = []
  /** The 99th percentile under one flood [ms]. */
  const measure = async (name: string, frame: (n: number) => WireFrame): Promise<number> => {
    let took: number[] = []
    let rate = 0
    const cpu = await cpuOf(pids, async () => {
      await using flood = startFlood(socket, frame)
      took = await stops(SECONDS_PER_FLOOD)
      rate = flood.rate
    })
    const [p50 = '', p99 = '', slowest = ''] = [0.5, 0.99, 1].map((part) => at(took, part).toFixed(1))
    const shares = Array.from(cpu, ([process, percent]) => `${process} ${percent.toFixed(0)} %`)
    t.diagnostic(
      `${name}: ${rate} frames/s, ${took.length} stops: p50 ${p50}, p99 ${p99}, slowest ${slowest} ms; ` +
        `CPU: ${shares.join(', ')}; ${bridge.lines.length} log lines; peak ${peakMemory(bridge).toFixed(0)} MiB`,
    )
    return at(took, 0.99)
  }
  for (const [name, frame] of Object.entries(FLOODS)) {
    // it is the second slowest of 120 stops, which one stall of the machine decides: a flood must be too slow twice
    const p99 = await measure(name, frame)
    const again = p99 > LIMIT_MS ? await measure(name, frame) : p99
    if (again > LIMIT_MS) tooSlow.push(`${name}: ${p99}, ${again} ms`)
  }
  assert.deepEqual(tooSlow, [])
  assert.equal(relay.attempts.length, 1, 'one connection')
  assert.ok(bridge.lines.length <= MAX_LOG_LINES, `${bridge.lines.length} log lines`)
  assert.ok(!bridge.lines.some((line) => line.startsWith('unforeseen')), bridge.lines.join('\n'))
  assert.ok(peakMemory(bridge) <= MAX_PEAK_MIB)
})

/** Writes the frames to the socket at the rate of the flood until it is disposed, and everything is written. */
function startFlood({ socket }: RobotSocket, frame: (n: number) => WireFrame) {
  // a write for each frame would cost this process more than the frame costs the bridge
  const ticks = Array.from({ length: TICKS }, (_, tick) => {
    const frames = Array.from({ length: FRAMES_PER_TICK }, (_, i) => frame(tick * FRAMES_PER_TICK + i))
    return Buffer.concat(frames.flatMap(encode))
  })
  const { _socket: raw } = socket as WebSocket & { _socket: Socket }
  let sent = 0
  const start = performance.now()
  const timer = setInterval(() => {
    const due = (performance.now() - start) / TICK_MS
    // what a stalled test has missed is not made up for in one burst
    for (let i = 0; i < 3 && sent < due; i++) raw.write(ticks[sent++ % TICKS] ?? '')
  }, TICK_MS)
  return {
    /** Frames a second so far. */
    get rate() {
      return Math.round((sent * FRAMES_PER_TICK * 1_000) / (performance.now() - start))
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await until(() => raw.writableLength === 0, { deadline: 20_000, every: 20 })
    },
  }
}

/** One frame of a server: unmasked, in one fragment (RFC 6455 §5.2). */
function encode(frame: WireFrame): Buffer[] {
  const payload = Buffer.from(frame)
  const small = payload.length < 126
  const header = Buffer.alloc(small ? 2 : payload.length < 65_536 ? 4 : 10)
  header[0] = typeof frame === 'string' ? 0x81 : 0x82
  header[1] = small ? payload.length : header.length === 4 ? 126 : 127
  if (header.length === 4) header.writeUInt16BE(payload.length, 2)
  if (header.length === 10) header.writeBigUInt64BE(BigInt(payload.length), 2)
  return [header, payload]
}

/**
 * Returns a function that sends stops for so many seconds and resolves to the times, ms and sorted, from the send to the
 * arrival on the bus. The arrival of `command/stop` counts, which is published after the zero on `command/motor`.
 */
async function measureStops(
  socket: RobotSocket,
  robot: Bus,
): Promise<(seconds: number) => Promise<number[]>> {
  const sentAt = new Map<number, number>()
  let took: number[] = []
  let zeroAt = 0
  await robot.subscribe(topics.motor, ({ params: { left, right } }) => {
    if (left === 0 && right === 0) zeroAt = performance.now()
  })
  await robot.subscribe(
    topics.command,
    ({ issued_at }) => {
      const sent = sentAt.get(Number(issued_at))
      if (sent === undefined) return
      sentAt.delete(Number(issued_at))
      assert.ok(zeroAt >= sent, 'a zero on command/motor before command/stop')
      took.push(performance.now() - sent)
    },
    { name: 'stop' },
  )
  let count = 0
  return async (seconds) => {
    took = []
    const first = count
    const end = performance.now() + seconds * 1_000
    while (performance.now() < end) {
      await sleep(STOP_INTERVAL_MS)
      const timestamp = EPOCH + ++count
      sentAt.set(timestamp, performance.now())
      socket.send({ type: 'command', command: 'stop', timestamp })
    }
    await until(() => took.length === count - first, {
      deadline: 20_000,
      show: () => ({ arrived: took.length, sent: count - first }),
    })
    return took.sort((a, b) => a - b)
  }
}

function at(sorted: number[], part: number): number {
  return sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN
}

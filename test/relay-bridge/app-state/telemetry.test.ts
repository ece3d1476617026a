import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { batteryPercent, statusData } from '#services/relay-bridge/app-state/status.ts'
import { fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from '../bridge.ts'

const session = (
  since: number,
  connection_type: 'LAN' | 'WAN' | null,
  state: 'connected' | 'new' = 'connected',
) => ({
  session_id: `s${since}`,
  state,
  since,
  codec: 'H264',
  layer: 'high',
  bitrate: 0,
  rtt_ms: null,
  loss: null,
  candidate_pair: null,
  connection_type,
})

test('unreported fields are null, and integers are integers (I06)', () => {
  const nothing = statusData([], {}, [])
  for (const key of ['battery', 'temperature', 'mode', 'treats_remaining', 'connection_type', 'camera_ok']) {
    assert.equal(nothing[key], null, key)
  }
  const data = statusData(
    [
      { battery: 76.349, mode: 'idle' },
      { treats_remaining: 7.9 },
      { mode: 'coach' },
      { battery: Number.NaN },
    ],
    { camera_ok: false, camera_error: 'no picture for 2 s' },
    [],
  )
  assert.equal(data.battery, null, 'the newest report counts')
  assert.equal(data.mode, 'coach')
  assert.equal(data.treats_remaining, 7)
  assert.equal(data.camera_ok, false)
  assert.equal(data.camera_error, 'no picture for 2 s')
  assert.equal(statusData([{ battery: 76.349 }], {}, []).battery, 76.3)
})

test('the connection type is that of the newest viewer', () => {
  assert.equal(statusData([], {}, [session(1, 'WAN'), session(2, 'LAN')]).connection_type, 'LAN')
  assert.equal(statusData([], {}, [session(3, 'WAN'), session(2, 'LAN')]).connection_type, 'WAN')
  assert.equal(statusData([], {}, [session(1, null)]).connection_type, 'LAN')
  assert.equal(statusData([], {}, [session(1, null, 'new')]).connection_type, null)
})

test('the battery is as reported, else computed from the voltage, else null (I06)', () => {
  const cases: [Record<string, unknown>, number | null][] = [
    [{}, null],
    [{ battery: 50, voltage: 12 }, 50],
    [{ level: 33.33, voltage: 12 }, 33.3],
    [{ battery: 0 }, 0],
    [{ voltage: 12 }, 0],
    [{ voltage: 14.4 }, 50],
    [{ voltage: 16.8 }, 100],
    [{ voltage: 17.5 }, 100],
    [{ voltage: 3 }, 0],
    [{ voltage: null }, null],
    [{ voltage: '14.4' }, null],
    [{ battery: null, level: null, voltage: 14.4 }, 50],
    [{ battery: 140 }, 100],
  ]
  for (const [told, percent] of cases) assert.equal(batteryPercent(told), percent, JSON.stringify(told))
  assert.equal(statusData([{ voltage: 14.4 }], {}, []).battery, 50)
})

test('camera fields are null while vision is offline', () => {
  assert.equal(statusData([], { state: 'offline', camera_ok: true }, []).camera_ok, null)
  assert.equal(statusData([], { state: 'online', camera_ok: true }, []).camera_ok, true)
})

test('telemetry cannot change a prototype', () => {
  const data = statusData([JSON.parse('{"__proto__":{"volume":9}}')], {}, [])
  assert.equal(data.volume, null)
  assert.equal(({} as Record<string, unknown>).volume, undefined)
})

const NETWORK = {
  mode: 'wifi',
  ssid: 'home',
  ip: '10.0.0.1',
  signal: -50,
  local_ap: { ssid: 'wimz', password: 'p4ss' },
}
const QUICK = { every: 60_000, afterLogin: 150, atMost: 400, again: 300 }
const events = (socket: RobotSocket) => socket.frames.map(({ event }) => event).filter(Boolean)
const isStatus = ({ event }: Record<string, unknown>) => event === 'status'

test('each registration sends a snapshot, in order, with only the reported parts (A18, A12, C24, I19, I21)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { telemetryTimes: QUICK })
  const socket = await relay.robot()
  await link.next(online)
  const empty = await socket.next(isStatus)
  assert.deepEqual(events(socket), ['status'])
  assert.equal('id' in empty, false)
  assert.equal((empty.data as { battery: unknown }).battery, null)
  await robot.publish(topics.telemetry, { mode: 'photography', previous_mode: 'idle' }, { source: 'mode' })
  await robot.publish(topics.telemetry, { voltage: 14.4, treats_today: 3.0 }, { source: 'battery' })
  await robot.publish(topics.telemetry, NETWORK, { source: 'network_state' })
  await socket.next(({ event }) => event === 'network_state')
  socket.socket.terminate()
  const again = await relay.robot()
  await again.next(isStatus)
  assert.deepEqual(events(again), ['mode_changed', 'battery', 'network_state', 'status'])
  const [mode, battery, network, status] = again.frames.filter(({ event }) => event !== undefined)
  assert.equal(mode?.mode, 'manual')
  assert.match(String(mode?.id), /^[0-9a-f]{32}$/)
  assert.equal(battery?.level, 50)
  assert.equal(battery?.treats_today, 3)
  assert.equal(battery?.mode, 'manual')
  assert.equal('id' in (battery ?? {}), false)
  assert.deepEqual(network?.local_ap, { ssid: 'wimz' })
  const data = status?.data as Record<string, unknown>
  assert.equal(data.mode, 'manual')
  assert.equal(data.battery, 50)
  assert.equal('ssid' in data, false)
  for (const frame of [...socket.frames, ...again.frames]) assert.doesNotMatch(JSON.stringify(frame), /p4ss/)
})

test('a repeated mode keeps its event id, a new mode gets another', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { telemetryTimes: { ...QUICK, afterLogin: 20 } })
  const socket = await relay.robot()
  await link.next(online)
  const modeId = async () => {
    socket.send({ type: 'user_connected', user_id: 'u' })
    return String((await socket.next(({ event }) => event === 'mode_changed')).id)
  }
  await robot.publish(topics.telemetry, { mode: 'coach' }, { source: 'mode' })
  const first = await modeId()
  await robot.publish(topics.telemetry, { mode: 'coach' }, { source: 'mode' })
  assert.equal(await modeId(), first)
  await robot.publish(topics.telemetry, { mode: 'idle' }, { source: 'mode' })
  assert.notEqual(await modeId(), first)
})

test('the hotspot password is sent only if the config allows it', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { cloud: { share_hotspot_password: true } })
  const socket = await relay.robot()
  await link.next(online)
  await robot.publish(topics.telemetry, NETWORK, { source: 'network_state' })
  const frame = await socket.next(({ event }) => event === 'network_state')
  assert.deepEqual(frame.local_ap, NETWORK.local_ap)
})

test('the status is sent again after a registration, to correct a late "offline" (A04, P20, P1)', async (t) => {
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay, { telemetryTimes: QUICK })
  const socket = await relay.robot()
  await link.next(online)
  await socket.next(isStatus)
  await socket.next(isStatus)
  assert.deepEqual(events(socket), ['status', 'status'])
})

test('five logins in a row cause one snapshot, and delay nothing else (A17)', async (t) => {
  const relay = await fakeRelay(t)
  const memory = await memoryBus(t)
  const early = await memory.connect('early', { announce: false })
  await early.publish(topics.telemetry, { mode: 'manual' }, { source: 'mode' })
  const { link } = await startBridge(t, relay, {
    memory,
    telemetryTimes: { ...QUICK, afterLogin: 500, atMost: 60_000, again: 60_000 },
  })
  const socket = await relay.robot()
  await link.next(online)
  await socket.next(isStatus)
  for (let i = 0; i < 5; i++) socket.send({ type: 'user_connected', user_id: 'u' })
  socket.send({ type: 'ping' })
  await socket.next(({ type }) => type === 'pong')
  assert.equal(events(socket).filter((event) => event === 'status').length, 1)
  await link.next({ where: ({ app_present }) => app_present === true })
  await socket.next(isStatus)
  assert.equal(events(socket).filter((event) => event === 'status').length, 2)
  assert.equal(events(socket).filter((event) => event === 'mode_changed').length, 2)
})

test('repeated logins do not delay the snapshot without limit (A17)', async (t) => {
  const relay = await fakeRelay(t)
  const times = { ...QUICK, afterLogin: 60_000, atMost: 200, again: 60_000 }
  const { link } = await startBridge(t, relay, { telemetryTimes: times })
  const socket = await relay.robot()
  await link.next(online)
  await socket.next(isStatus)
  socket.send({ type: 'user_connected', user_id: 'u' })
  socket.send({ type: 'user_connected', user_id: 'u' })
  await socket.next(isStatus, 10_000)
})

test('the status is sent in intervals until the last app disconnects (I08)', async (t) => {
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay, { telemetryTimes: { ...QUICK, every: 50, again: 60_000 } })
  const socket = await relay.robot()
  await link.next(online)
  for (let i = 0; i < 4; i++) await socket.next(isStatus)
  socket.send({ type: 'user_disconnected', user_id: 'u' })
  await link.next({ where: ({ app_present }) => app_present === false })
  socket.send({ type: 'ping' })
  await socket.next(({ type }) => type === 'pong')
  const seen = events(socket).length
  await staysTrue(() => events(socket).length === seen, 300, { show: () => events(socket).slice(seen) })
})

test('cleared telemetry is no longer sent', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { telemetryTimes: { ...QUICK, every: 50 } })
  const socket = await relay.robot()
  await link.next(online)
  const reads = (volume: unknown) => (frame: Record<string, unknown>) =>
    isStatus(frame) && (frame.data as { volume: unknown }).volume === volume
  await robot.publish(topics.telemetry, { volume: 40 }, { source: 'audio' })
  await socket.next(reads(40))
  await robot.publish(topics.telemetry, null, { source: 'audio' })
  await socket.next(reads(null))
})

test('telemetry that the relay would reject is discarded, and later telemetry sent', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { telemetryTimes: { ...QUICK, every: 50 } })
  const socket = await relay.robot()
  await link.next(online)
  let deep: unknown = 1
  for (let i = 0; i < 100; i++) deep = [deep]
  await robot.publish(topics.telemetry, { deep }, { source: 'odd' })
  socket.send({ type: 'ping' })
  await socket.next(({ type }) => type === 'pong')
  await robot.publish(topics.telemetry, null, { source: 'odd' })
  await robot.publish(topics.telemetry, { volume: 41 }, { source: 'audio' })
  await socket.next((frame) => isStatus(frame) && (frame.data as { volume: unknown }).volume === 41)
})

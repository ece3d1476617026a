import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { statusData } from '#services/relay-bridge/status.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from './bridge.ts'

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

test('what nobody has told is null, and integers are integers', () => {
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
  assert.equal(data.battery, null)
  assert.equal(data.mode, 'coach')
  assert.equal(data.treats_remaining, 7)
  assert.equal(data.camera_ok, false)
  assert.equal(data.camera_error, 'no picture for 2 s')
  assert.equal(statusData([{ battery: 76.349 }], {}, []).battery, 76.3)
})

test('the connection type is that of the viewer who came last', () => {
  assert.equal(statusData([], {}, [session(1, 'WAN'), session(2, 'LAN')]).connection_type, 'LAN')
  assert.equal(statusData([], {}, [session(3, 'WAN'), session(2, 'LAN')]).connection_type, 'WAN')
  assert.equal(statusData([], {}, [session(1, null)]).connection_type, 'LAN')
  assert.equal(statusData([], {}, [session(1, null, 'new')]).connection_type, null)
})

test('apps get the state on every registration, and a second after one has come', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  await robot.publish(topics.telemetry, { battery: 50, mode: 'manual' }, { source: 'power' })
  const socket = await relay.robot()
  await link.next(online)
  const first = await socket.next(({ event }) => event === 'status')
  assert.equal('id' in first, false)
  assert.equal((first.data as { camera_ok: unknown }).camera_ok, null)
  for (let i = 0; i < 5; i++) socket.send({ type: 'user_connected', user_id: 'u' })
  const after = await socket.next(({ event }) => event === 'status')
  assert.equal((after.data as { mode: unknown }).mode, 'manual')
  const { payload } = await link.next({ where: ({ app_present }) => app_present === true })
  assert.equal(payload.connected, true)
  assert.equal(socket.frames.filter(({ event }) => event === 'status').length, 2)
})

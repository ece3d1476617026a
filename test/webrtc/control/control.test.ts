import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import type { RTCDataChannel } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

async function answer(channel: RTCDataChannel): Promise<Record<string, unknown>> {
  const [{ data }] = await once(channel, 'message', { signal: AbortSignal.timeout(2_000) })
  return JSON.parse(data)
}

test('the control channel is unordered and sends nothing twice', async (t) => {
  const { bus } = await startRobot(t)
  const channel = await (await openViewer(t, bus, 'one')).channel
  assert.equal(channel.label, 'control')
  assert.equal(channel.ordered, false)
  assert.equal(channel.maxRetransmits, 0)
  assert.equal(channel.protocol, '')
})

test('a ping comes back as a pong', async (t) => {
  const { bus } = await startRobot(t)
  const channel = await (await openViewer(t, bus, 'one')).channel
  channel.send('{"type":"ping","n":42}')
  assert.deepEqual(await answer(channel), { type: 'pong', n: 42 })
})

test('a command goes to the bus, and its result back to who gave it (B13)', async (t) => {
  const { bus } = await startRobot(t)
  const commands = await collect(bus, topics.command)
  const channel = await (await openViewer(t, bus, 'one')).channel
  channel.send('{"command":"treat","id":"mine","count":2}')
  const { payload, params } = await commands.next()
  assert.equal(params.name, 'treat')
  assert.deepEqual(payload.params, { count: 2 })
  assert.equal(payload.source, 'datachannel')
  assert.equal(payload.session_id, 'one')
  const answered = answer(channel)
  await bus.publish(topics.commandResult, { id: payload.id, name: 'treat', success: true, left: 7 })
  assert.deepEqual(await answered, {
    type: 'command_ack',
    command: 'treat',
    id: 'mine',
    success: true,
    left: 7,
  })
})

test('drive commands arrive, numbers that are none do not', async (t) => {
  const { bus } = await startRobot(t)
  const motor = await collect(bus, topics.motor)
  const channel = await (await openViewer(t, bus, 'one')).channel
  for (const text of ['{"command":"motor","left":1e999,"right":0}', 'rubbish', '[1]', '{}'])
    channel.send(text)
  channel.send(Buffer.from([1, 2, 3]))
  const timer = setInterval(() => channel.send('{"type":"motor","left":0.5,"right":-0.5}'), 50)
  t.after(() => clearInterval(timer))
  await motor.next({ within: 5_000 })
  for (const { payload } of motor.all) assert.deepEqual(payload.params, { left: 0.5, right: -0.5 })
})

test('a channel that the viewer makes is as good as ours (C22)', async (t) => {
  const { bus } = await startRobot(t)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.connected
  const own = viewer.pc.createDataChannel('data')
  if (own.readyState !== 'open') await own.stateChange.watch((state) => state === 'open', 2_000)
  own.send('{"type":"ping"}')
  assert.deepEqual(await answer(own), { type: 'pong' })
})

test('a message on a channel that does not exist ends no session', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const viewer = await openViewer(t, bus, 'one')
  await viewer.channel
  // RFC 8832 §5.2: the acknowledgment of a channel that was never opened
  await viewer.pc.sctpTransport?.sctp.send(9, 50, Buffer.from([2]), { ordered: true })
  const { length } = viewer.video
  await viewer.until(({ video }) => video.length > length + 10)
})

test('the viewer is told of its video again and again (F03)', async (t) => {
  const { bus, camera } = await startRobot(t, {}, { quality: 100 })
  camera.roll()
  const channel = await (await openViewer(t, bus, 'one')).channel
  for (let i = 0; i < 3; i++) {
    const told = await answer(channel)
    assert.equal(told.type, 'video_quality')
    assert.ok(['low', 'medium', 'high'].includes(String(told.tier)))
    assert.match(String(told.resolution), /^\d+x\d+$/)
    assert.ok(Number.isInteger(told.bitrate_kbps) && Number.isInteger(told.rtt_ms))
    assert.ok([0, 1, 2, 3, 4].includes(Number(told.bars)))
    assert.equal(told.mode, 'auto')
  }
})

test('a command while the broker is away is refused, and not carried out later (A09)', async (t) => {
  const { bus, cut, broker } = await startRobot(t)
  const treats = await collect(bus, topics.command, { name: 'treat' })
  const channel = await (await openViewer(t, bus, 'one')).channel
  broker.aedes.preConnect = (_client, _packet, done) => done(null, false)
  cut('webrtc')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const told = answer(channel)
  channel.send('{"command":"treat","id":"late"}')
  const { id, success } = await told
  assert.deepEqual([id, success], ['late', false])
  assert.deepEqual(treats.all, [])
})

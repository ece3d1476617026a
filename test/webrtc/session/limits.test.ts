import assert from 'node:assert/strict'
import test from 'node:test'
import { RtcpPacketConverter } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { DatagramLimit } from '#services/webrtc/ice/datagram-limit.ts'
import { splitCompound } from '#services/webrtc/werift-patches/rtcp-guard.ts'
import { ATTACKS, attackOver } from '../hostile-sctp.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

const CHUNKS_PER_PACKET = 55

for (const [attack, chunk] of Object.entries(ATTACKS)) {
  test(`${attack}: that session ends, the other one keeps its video`, async (t) => {
    const { bus, camera } = await startRobot(t)
    camera.roll()
    const closed = await collect(bus, topics.closed)
    const other = await openViewer(t, bus, 'other')
    const hostile = await openViewer(t, bus, 'hostile')
    await hostile.channel
    await hostile.until(({ video }) => video.length > 0, 20_000)
    const { first, packet } = attackOver(hostile)
    for (let sent = 0; sent < 700; sent += CHUNKS_PER_PACKET) {
      await packet(Array.from({ length: CHUNKS_PER_PACKET }, (_, i) => chunk(sent + i, first)))
    }
    const { payload } = await closed.next({ within: 20_000 })
    assert.deepEqual(payload, { session_id: 'hostile', reason: 'limit-exceeded', by: 'robot' })
    const { length } = other.video
    await other.until(({ video }) => video.length > length + 20, 20_000)
  })
}

test('an SCTP chunk of length 0 is dropped, and both sessions go on', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const hostile = await openViewer(t, bus, 'hostile')
  await hostile.channel
  await hostile.until(({ video }) => video.length > 0, 20_000)
  await attackOver(hostile).packet([Buffer.alloc(16)])
  const { length } = hostile.video
  await hostile.until(({ video }) => video.length > length + 20, 20_000)
  assert.deepEqual(closed.all, [])
})

test('a compound of many NACKs is read packet by packet, up to a limit', () => {
  const nack = Buffer.from(`81cd0003${'00000001'}${'00000002'}${'0000ffff'}`, 'hex')
  const [first, ...others] = splitCompound(Buffer.concat(Array.from({ length: 120 }, () => nack)))
  assert.deepEqual(first, nack)
  assert.equal(others.length, 31)
  const large = Buffer.concat([Buffer.from('81cd01f40000000100000002', 'hex'), Buffer.alloc(4 * 499, 0xff)])
  large.writeUInt16BE(large.length / 4 - 1, 2)
  assert.equal(splitCompound(large)[0]?.length, 268)
  for (const bytes of ['', '81', '81cdffff', '81cd0003aabb']) {
    assert.deepEqual(splitCompound(Buffer.from(bytes, 'hex')), [])
  }
  assert.equal(RtcpPacketConverter.deSerialize(Buffer.concat([nack, nack, nack])).length, 3)
})

test('datagrams beyond the rate of their kind are dropped, and a flood is reported once', () => {
  let now = 0
  let floods = 0
  const limit = new DatagramLimit(() => floods++, { now: () => now })
  const accepted = (count: number, head: string) => {
    const datagram = Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(100)])
    return Array.from({ length: count }, () => limit.accepts(datagram)).filter(Boolean).length
  }
  const kinds = { '0001': [1_000, 300], 17: [1_000, 500], '81cd': [600, 300], '8066': [50, 10] }
  for (const [head, [burst = 0]] of Object.entries(kinds)) assert.equal(accepted(1_200, head), burst, head)
  now += 1_000
  for (const [head, [, rate = 0]] of Object.entries(kinds)) assert.equal(accepted(1_200, head), rate, head)
  now += 10_000
  assert.equal(accepted(700, '40000064' + '81cd'), 600, 'ChannelData counts as what it wraps')
  for (const head of ['04', '13', '50', 'c0', 'ff', '4000006450']) assert.equal(accepted(1, head), 0, head)
  assert.equal(limit.accepts(Buffer.alloc(10_000, 23)), false)
  assert.equal(limit.accepts(Buffer.alloc(0)), false)
  assert.equal(floods, 0)
  accepted(12_000, '17')
  assert.equal(floods, 1)
})

test('a viewer that may talk sends its voice for as long as it likes, and a flood of media is dropped', () => {
  let now = 0
  const limit = new DatagramLimit(() => assert.fail('a flood'), { talk: true, now: () => now })
  const voice = Buffer.concat([Buffer.from('806f', 'hex'), Buffer.alloc(100)])
  // packets of 10 ms, for 10 minutes
  for (; now < 600_000; now += 10) assert.ok(limit.accepts(voice), `after ${now} ms`)
  const accepted = Array.from({ length: 2_000 }, () => limit.accepts(voice)).filter(Boolean).length
  assert.ok(accepted <= 300, `${accepted} at once`)
})

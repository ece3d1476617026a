import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { H264_ONLY, videoOffer } from '../peer/sample-offers.ts'
import { createPlayer } from '../player.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

for (const codec of ['h264', 'vp8'] as const) {
  test(`a player that offers ${codec} gets one answer with all candidates, then video`, async (t) => {
    const { bus, camera } = await startRobot(t)
    camera.roll()
    const [candidates, sessions] = [
      await collect(bus, topics.localCandidate),
      await collect(bus, topics.sessions),
    ]
    const player = await createPlayer(t, bus, 'one', { codec })
    const { sdp = '' } = await player.request()
    assert.match(sdp, /^a=candidate:.* typ host/m)
    assert.match(sdp, /^a=end-of-candidates\r$/m)
    assert.match(sdp, /^a=sendonly\r$/m)
    assert.equal(sdp.match(/^m=/gm)?.length, player.offer.match(/^m=/gm)?.length)
    await player.connected
    await until(() => player.video.length > 20, { deadline: 20_000 })
    const { payload } = await sessions.next({ where: ([one]) => one?.state === 'connected' })
    assert.equal(payload[0]?.codec?.toLowerCase(), codec)
    assert.deepEqual(candidates.all, [])
  })
}

test('a data channel in the offer carries commands, as for apps; without one there is none', async (t) => {
  const { bus } = await startRobot(t)
  const player = await createPlayer(t, bus, 'one', { channel: true })
  const messages: string[] = []
  player.pc.onDataChannel.subscribe((channel) =>
    channel.onMessage.subscribe((data) => messages.push(data.toString())),
  )
  const { sdp = '' } = await player.request()
  assert.match(sdp, /^m=application 9 /m)
  await player.connected
  await until(() => messages.some((text) => text.includes('video_quality')), { deadline: 20_000 })
})

test('a player without a data channel takes the drive from no app', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const motor = await collect(bus, topics.motor)
  const app = await openViewer(t, bus, 'app')
  const channel = await app.channel
  const player = await createPlayer(t, bus, 'player')
  await player.request()
  await until(() => player.video.length > 5, { deadline: 20_000 })
  // as apps do while a stick is held
  const timer = setInterval(() => channel.send('{"command":"motor","left":0.5,"right":0.5}'), 100)
  t.after(() => clearInterval(timer))
  const { payload } = await motor.next({ where: ({ params }) => params.left === 0.5, within: 20_000 })
  assert.equal(payload.session_id, 'app')
})

test('a full robot refuses a player, which tries again by itself, but replaces it by an app', async (t) => {
  const { bus } = await startRobot(t, { max_connections: 1 })
  const closed = await collect(bus, topics.closed)
  const [first, second] = [await createPlayer(t, bus, 'first'), await createPlayer(t, bus, 'second')]
  await first.request()
  const refused = await second.request()
  assert.equal(refused.code, 'busy')
  assert.match(refused.error ?? '', /webrtc\.max_connections/)
  assert.deepEqual(closed.all, [])
  await openViewer(t, bus, 'app')
  assert.deepEqual((await closed.next()).payload, { session_id: 'first', reason: 'evicted', by: 'robot' })
})

test('an app takes the place of a player before that of another app', async (t) => {
  const { bus } = await startRobot(t, { max_connections: 2 })
  const closed = await collect(bus, topics.closed)
  await openViewer(t, bus, 'app')
  const player = await createPlayer(t, bus, 'player')
  await player.request()
  await openViewer(t, bus, 'later')
  assert.equal((await closed.next()).payload.session_id, 'player')
})

test('offers that cannot be answered are refused with a code, and leave no session', async (t) => {
  const { bus } = await startRobot(t)
  const [errors, sessions] = [await collect(bus, topics.error), await collect(bus, topics.sessions)]
  for (const [sdp, code] of [
    ['v=0', 'bad-offer'],
    [H264_ONLY.replace(/a=ice-pwd:.*/, 'a=x'), 'bad-offer'],
    [videoOffer('98', ['a=rtpmap:98 VP9/90000']), 'no-common-codec'],
    ['m='.repeat(40_000), 'bad-offer'],
  ] as const) {
    await bus.publish(topics.request, { session_id: 'one', ice_servers: [], offer: { type: 'offer', sdp } })
    assert.equal((await errors.next()).payload.code, code)
  }
  assert.ok(sessions.all.every(({ payload }) => payload.length === 0))
})

test('a player restarts ICE with new credentials and keeps its session; the robot offers none itself', async (t) => {
  const { bus, camera } = await startRobot(t, {}, { silence: 200, grace: 60_000, watch: 50 })
  camera.roll()
  const [offers, closed] = [await collect(bus, topics.offer), await collect(bus, topics.closed)]
  const player = await createPlayer(t, bus, 'one')
  const { sdp = '' } = await player.request()
  await player.connected
  await until(() => player.video.length > 5, { deadline: 20_000 })
  const fragment = player.offer
    .replace(/^a=ice-ufrag:.*$/gm, 'a=ice-ufrag:wxyz')
    .replace(/^a=ice-pwd:.*$/gm, 'a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa')
  const { sdp: answer = '' } = await player.restart(fragment)
  const ufragOf = (text: string) => /^a=ice-ufrag:(\S+)/m.exec(text)?.[1]
  assert.ok(ufragOf(answer))
  assert.notEqual(ufragOf(answer), ufragOf(sdp))
  assert.match(answer, /^a=candidate:.* typ host/m)
  assert.equal((await player.restart(fragment)).code, 'bad-offer', 'not a restart: the same credentials')
  assert.equal((await player.restart('a=ice-ufrag:x')).code, 'bad-offer')
  assert.deepEqual([offers.all, closed.all], [[], []])
})

test('a restart of a session that has ended is answered as such', async (t) => {
  const { bus } = await startRobot(t)
  const player = await createPlayer(t, bus, 'one')
  assert.equal((await player.restart(player.offer)).code, 'no-session')
})

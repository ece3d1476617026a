import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import type { Peer } from '#services/webrtc/peer/peer.ts'
import { LocalCandidates, RemoteCandidates } from '#services/webrtc/session/candidate-buffers.ts'
import { IceRestarts } from '#services/webrtc/session/ice-restarts.ts'
import { createLiveness } from '#services/webrtc/session/liveness.ts'
import type { SignalingPublisher } from '#services/webrtc/session/signaling-publisher.ts'
import { createDeadlines, TIMINGS } from '#services/webrtc/session/timings.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

const local = (candidate: string) => ({ candidate }) as never

test('local candidates follow their offer, without those that it contains', () => {
  const sent: unknown[] = []
  const signaling = { candidate: (one: unknown) => sent.push(one) } as unknown as SignalingPublisher
  const candidates = new LocalCandidates(signaling)
  candidates.add(local('a'))
  candidates.add(local('b'))
  assert.deepEqual(sent, [])
  candidates.release('offer with b in it')
  candidates.add(local('x'))
  assert.deepEqual(sent, [{ candidate: 'a' }, { candidate: 'x' }])
  candidates.hold()
  candidates.add(local('y'))
  assert.equal(sent.length, 2)
  candidates.release('another')
  assert.deepEqual(sent.slice(2), [{ candidate: 'y' }])
})

function openPeer() {
  const added: unknown[] = []
  const peer = { addCandidate: (candidate: unknown) => added.push(candidate) } as unknown as Peer
  return { added, peer }
}

test('remote candidates wait for their answer, 64 for each', () => {
  const { added, peer } = openPeer()
  const candidates = new RemoteCandidates(peer)
  candidates.add({ candidate: 1 })
  assert.deepEqual(added, [])
  candidates.release()
  assert.deepEqual(added, [1])
  for (let i = 2; i <= 70; i++) candidates.add({ candidate: i })
  assert.deepEqual([added.length, candidates.count], [64, 70])
  candidates.hold()
  candidates.add({ candidate: 'new' })
  assert.equal(added.length, 64)
  candidates.release()
  assert.equal(added.at(-1), 'new')
})

test('an ICE restart is offered once for each silence, and at most every few seconds', async (t) => {
  const clock = fakeClock(t)
  const { added, peer } = openPeer()
  let closed = false
  let accepts = false
  const offers: string[] = []
  const signaling = {
    offer: (sdp: string) => offers.push(sdp),
    candidate() {},
  } as unknown as SignalingPublisher
  Object.assign(peer, { restartOffer: async () => 'sdp', acceptRestart: () => accepts })
  const remoteCandidates = new RemoteCandidates(peer)
  const restarts = new IceRestarts({
    ...{ peer, signaling, remoteCandidates, localCandidates: new LocalCandidates(signaling) },
    ...{ log: createLogger('test', { write() {} }), isClosed: () => closed, minInterval: 5_000 },
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  restarts.viewerSilent()
  restarts.viewerSilent()
  await turn()
  assert.deepEqual([offers.length, restarts.pending], [1, true])
  restarts.answer('of something else')
  assert.equal(restarts.pending, true)
  remoteCandidates.add({ candidate: 1 })
  accepts = true
  restarts.answer('answer')
  assert.deepEqual([restarts.pending, added], [false, [1]])
  clock.advance(4_999)
  restarts.viewerSilent()
  await turn()
  assert.equal(offers.length, 1)
  clock.advance(1)
  restarts.viewerSilent()
  await turn()
  assert.equal(offers.length, 2)
  restarts.answer('answer')
  closed = true
  clock.advance(5_000)
  restarts.viewerSilent()
  await turn()
  assert.equal(offers.length, 2)
})

test('a viewer is silent after 3 s without a packet, lost after 6 s more, and back with the next one', (t) => {
  const clock = fakeClock(t)
  const { silence, grace } = TIMINGS
  assert.deepEqual([silence, grace], [3_000, 6_000])
  const liveness = createLiveness({ silence, grace })
  assert.equal(liveness.check(0), undefined)
  clock.advance(2_999)
  assert.equal(liveness.check(0), undefined)
  clock.advance(1)
  assert.deepEqual([liveness.check(0), liveness.check(0)], ['silent', undefined])
  assert.deepEqual([liveness.check(1), liveness.check(1), liveness.check(2)], ['back', undefined, undefined])
  clock.advance(8_999)
  assert.equal(liveness.check(2), 'silent')
  clock.advance(1)
  assert.equal(liveness.check(2), 'lost')
})

test('a deadline of the same name replaces the one before; all are cleared together', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const done: string[] = []
  const deadlines = createDeadlines()
  deadlines.set('a', 100, () => done.push('first'))
  deadlines.set('a', 200, () => done.push('second'))
  deadlines.every('b', 150, () => done.push('tick'))
  deadlines.set('c', 100, () => done.push('cleared'))
  deadlines.clear('c')
  t.mock.timers.tick(200)
  assert.deepEqual(done, ['tick', 'second'])
  deadlines.set('a', 100, () => done.push('third'))
  deadlines[Symbol.dispose]()
  t.mock.timers.tick(1_000)
  assert.equal(done.length, 2)
})

test('the times of a session are those of the relay protocol', () => {
  assert.deepEqual(TIMINGS, {
    ...{ resend: [2_500, 5_000], answer: 10_000, hold: 200, connect: 20_000, silence: 3_000, grace: 6_000 },
    ...{ network: 2_000, memory: 2_000, watch: 500, gather: 1_000 },
    ...{ senderReport: 1_000, report: 2_500, quality: 2_500 },
  })
})

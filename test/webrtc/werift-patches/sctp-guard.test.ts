import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { RTCPeerConnection } from 'werift'
import { AcknowledgmentWatch, guardSctp, ignoreSctp } from '#services/webrtc/werift-patches/sctp-guard.ts'

const [DCEP, TEXT] = [50, 51]

/** werift's SCTP as far as the guard uses it, and what it and the guard have done. */
function guarded(t: TestContext) {
  const clock = { now: 1_000 }
  t.mock.method(performance, 'now', () => clock.now)
  const handled: Buffer[] = []
  const received: unknown[][] = []
  const limits: string[] = []
  let receive = (_stream: number, _protocol: number, _data: Buffer) => {}
  let isSubscribed = true
  const association = {
    sentQueue: [] as unknown[],
    outboundQueue: [] as unknown[],
    lastSackedTsn: 0,
    inboundStreams: {} as Record<number, { reassembly: { userData: Buffer }[] }>,
    sackMisOrdered: new Set<number>(),
    sackDuplicates: [] as number[],
    lastReceivedTsn: undefined as number | undefined,
    markReceived: (_tsn: number) => false,
    handleData: (packet: Buffer) => {
      handled.push(packet)
      return packet[12] === 99 ? Promise.reject(new Error('malformed')) : Promise.resolve()
    },
    onReceive: {
      allUnsubscribe: () => {
        isSubscribed = false
      },
      subscribe: (listener: typeof receive) => {
        assert.equal(isSubscribed, false, 'werift’s own listener is still there')
        receive = listener
      },
    },
  }
  const transport = {
    sctp: association,
    dtlsTransport: { dataReceiver: (_packet: Buffer) => {} },
    dataChannels: {} as Record<number, { readyState: string; setReadyState(state: string): void }>,
    datachannelReceive: (...message: unknown[]) => {
      received.push(message)
      return message[0] === 99 ? Promise.reject(new Error('malformed')) : Promise.resolve()
    },
  }
  guardSctp({ sctpTransport: transport } as unknown as RTCPeerConnection, (limit) => limits.push(limit))
  return {
    ...{ association, transport, handled, received, limits, clock },
    send: (chunks = 1, type = 0) => transport.dtlsTransport.dataReceiver(packetOf(chunks, type)),
    message: (stream: number, protocol: number) => receive(stream, protocol, Buffer.from('x')),
  }
}

/** A packet of so many empty chunks. RFC 9260 §3.2. */
function packetOf(chunks: number, type = 0): Buffer {
  const chunk = Buffer.from([type, 0, 0, 4])
  return Buffer.concat([Buffer.alloc(12), ...Array.from({ length: chunks }, () => chunk)])
}

const fragments = (count: number, bytes: number) => ({
  reassembly: Array.from({ length: count }, () => ({ userData: Buffer.alloc(bytes) })),
})

test('packets are handled, malformed ones dropped, and what werift rejects ends nothing', (t) => {
  const { transport, handled, limits, send } = guarded(t)
  send(2)
  // chunks of length 0: datagrams have limits of their own
  for (let n = 0; n < 600; n++) transport.dtlsTransport.dataReceiver(Buffer.alloc(16))
  send(1, 99)
  assert.equal(handled.length, 2)
  assert.deepEqual(limits, [])
})

test('without a data channel there is nothing to guard', () => {
  const pc = { sctpTransport: undefined } as unknown as RTCPeerConnection
  assert.throws(() => guardSctp(pc, () => {}), /create a data channel first/)
})

type Stage = ReturnType<typeof guarded>

/** What fills each limit, and what exceeds it. */
const LIMITS: Record<string, [string, fill: (stage: Stage) => void, exceed: (stage: Stage) => void]> = {
  'fragments of unfinished messages': [
    'unfinished messages',
    ({ association }) =>
      Object.assign(association.inboundStreams, { 0: fragments(200, 1), 1: fragments(56, 1) }),
    ({ association }) => Object.assign(association.inboundStreams, { 2: fragments(1, 1) }),
  ],
  'bytes of unfinished messages': [
    'unfinished messages',
    ({ association }) =>
      Object.assign(association.inboundStreams, { 0: fragments(1, 100 * 1024), 1: fragments(1, 28 * 1024) }),
    ({ association }) => Object.assign(association.inboundStreams, { 2: fragments(1, 1) }),
  ],
  'packets out of order': [
    'packets out of order',
    ({ association }) => {
      for (let tsn = 0; tsn < 256; tsn++) association.sackMisOrdered.add(tsn)
    },
    ({ association }) => association.sackMisOrdered.add(256),
  ],
  streams: [
    'streams',
    ({ association }) => {
      for (let id = 0; id < 64; id++) association.inboundStreams[id] = fragments(0, 0)
    },
    ({ association }) => Object.assign(association.inboundStreams, { 64: fragments(0, 0) }),
  ],
  'data channels': [
    'data channels',
    ({ transport }) => {
      for (let id = 0; id < 16; id++) transport.dataChannels[id] = { readyState: 'open', setReadyState() {} }
    },
    ({ transport }) =>
      Object.assign(transport.dataChannels, { 16: { readyState: 'open', setReadyState() {} } }),
  ],
  'messages that wait for an acknowledgment': [
    'unacknowledged messages',
    ({ association }) => association.outboundQueue.push(...Array(128)),
    ({ association }) => association.outboundQueue.push(1),
  ],
}

for (const [what, [limit, fill, exceed]] of Object.entries(LIMITS)) {
  test(`the limit of ${what} may be reached; one more ends the session, once`, (t) => {
    const stage = guarded(t)
    fill(stage)
    stage.send()
    assert.deepEqual(stage.limits, [])
    exceed(stage)
    stage.send()
    assert.deepEqual(stage.limits, [limit])
    const { length } = stage.handled
    stage.send()
    assert.deepEqual(stage.limits, [limit])
    assert.equal(stage.handled.length, length, 'no packet is read any more')
  })
}

test('500 chunks at once and 500 a second are read; of a flood 500 packets are dropped before its session ends', (t) => {
  const { handled, limits, clock, send } = guarded(t)
  const read = (packets: number, chunks = 1) => {
    const before = handled.length
    for (let n = 0; n < packets; n++) send(chunks)
    return handled.length - before
  }
  assert.equal(read(510), 500)
  clock.now += 100
  assert.equal(read(60), 50)
  clock.now += 100_000
  assert.equal(read(1, 501), 0, 'a packet above the whole budget')
  assert.equal(read(510), 500)
  clock.now += 100_000
  // the dropped packets of earlier bursts no longer count
  assert.equal(read(1_000), 500)
  assert.deepEqual(limits, [])
  send()
  assert.deepEqual(limits, ['chunks a second'])
})

test('the first message of a channel counts as its open; one of DCEP does not', (t) => {
  const { transport, received, message } = guarded(t)
  const states: string[] = []
  const channelOf = (readyState: string) => ({
    readyState,
    setReadyState: (state: string) => states.push(state),
  })
  Object.assign(transport.dataChannels, { 1: channelOf('connecting'), 2: channelOf('closed') })
  message(1, DCEP)
  message(2, TEXT)
  message(3, TEXT)
  assert.deepEqual(states, [])
  message(1, TEXT)
  assert.deepEqual(states, ['open'])
  message(99, TEXT)
  assert.deepEqual(
    received.map(([stream]) => stream),
    [1, 2, 3, 1, 99],
  )
})

test('TSNs are marked as received in any order, across 2^32, and duplicates are counted up to a limit', (t) => {
  const { association } = guarded(t)
  const mark = (tsn: number) => association.markReceived(tsn >>> 0)
  const start = 2 ** 32 - 2
  assert.equal(mark(start), false)
  assert.equal(association.lastReceivedTsn, start)
  assert.equal(mark(start + 3), false)
  assert.equal(mark(start + 2), false)
  assert.deepEqual([association.lastReceivedTsn, association.sackMisOrdered.size], [start, 2])
  assert.equal(mark(start + 1), false)
  assert.deepEqual([association.lastReceivedTsn, association.sackMisOrdered.size], [1, 0])
  for (const tsn of [start, start + 3, 1]) assert.equal(mark(tsn), true)
  assert.deepEqual(association.sackDuplicates, [start, 1, 1])
  mark(5)
  for (let n = 0; n < 40; n++) assert.equal(mark(5), true)
  assert.equal(association.sackDuplicates.length, 32)
  assert.equal(association.lastReceivedTsn, 1)
})

test('a viewer is stalled after 15 s without an acknowledgment of what is sent or waits', () => {
  for (const queues of [
    { sentQueue: [1], outboundQueue: [] },
    { sentQueue: [], outboundQueue: [1] },
  ]) {
    let now = 0
    const watch = new AcknowledgmentWatch(() => now)
    const limitAt = (at: number, lastSackedTsn = 7, pending = queues) => {
      now = at
      return watch.exceededLimit({ ...pending, lastSackedTsn })
    }
    assert.equal(limitAt(0), undefined)
    for (let at = 2_000; at <= 14_000; at += 2_000) assert.equal(limitAt(at), undefined)
    assert.equal(limitAt(15_000), undefined)
    assert.equal(limitAt(15_001), 'unacknowledged messages')
    assert.equal(limitAt(15_002, 8), undefined, 'an acknowledgment')
    assert.equal(limitAt(17_003, 8), undefined, 'a pause')
    for (let at = 19_000; at <= 32_003; at += 1_000) assert.equal(limitAt(at, 8), undefined)
    assert.equal(limitAt(32_004, 8), 'unacknowledged messages')
    assert.equal(limitAt(32_005, 8, { sentQueue: [], outboundQueue: [] }), undefined, 'nothing pending')
  }
})

test('an association that the answer rejects is not started', () => {
  const sctpManager = { sctpRemotePort: 5_000 }
  ignoreSctp({ sctpManager } as unknown as RTCPeerConnection)
  assert.equal(sctpManager.sctpRemotePort, undefined)
})

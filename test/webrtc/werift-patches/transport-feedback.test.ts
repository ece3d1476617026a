import assert from 'node:assert/strict'
import test from 'node:test'
import {
  RecvDelta,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpTransportLayerFeedback,
  RunLengthChunk,
  StatusVectorChunk,
  TransportWideCC,
} from 'werift'
import '#services/webrtc/werift-patches/rtcp-guard.ts'
import { TransportFeedback } from '#services/webrtc/werift-patches/transport-feedback.ts'

const LOST = 0
const SMALL = 1
const LARGE = 2

const message = (chunks: number[], deltas: number[] = [], { base = 0, count = 0, reference = 0 } = {}) => {
  const data = Buffer.alloc(
    20 + 2 * chunks.length + Math.ceil((2 * chunks.length + deltas.length) / 4) * 4 - 2 * chunks.length,
  )
  data.writeUInt32BE(0x8fcd0000 + data.length / 4 - 1)
  data.writeUInt16BE(base, 12)
  data.writeUInt16BE(count, 14)
  data.writeUIntBE(reference, 16, 3)
  for (const [i, chunk] of chunks.entries()) data.writeUInt16BE(chunk, 20 + 2 * i)
  Buffer.from(deltas).copy(data, 20 + 2 * chunks.length)
  return data
}

test('runs and both kinds of vectors give each packet its arrival time', () => {
  // a run of two small deltas, a vector of one bit, a vector of two bits with a large delta
  const chunks = [0x2002, 0b10_10000000000000, 0b11_00_01_10_00_00_00_00]
  const packet = message(chunks, [4, 8, 12, 16, 0xff, 0xfc], {
    base: 0xffff,
    count: 2 + 14 + 3,
    reference: 2,
  })
  const [feedback] = RtcpPacketConverter.deSerialize(packet)
  assert.ok(feedback instanceof TransportFeedback)
  const { arrivals } = feedback
  assert.equal(arrivals.length, 19)
  assert.deepEqual(arrivals.map(({ sequence }) => sequence).slice(0, 3), [0xffff, 0, 1])
  const arrived = arrivals.flatMap(({ sequence, at }) => (at === undefined ? [] : [[sequence, at]]))
  assert.deepEqual(arrived, [
    [0xffff, 129],
    [0, 131],
    [1, 134],
    [16, 138],
    [17, 137],
  ])
})

test('what werift writes is read', () => {
  const statuses = [SMALL, SMALL, LOST, LARGE, SMALL]
  const deltas = [250, 500, 70_000, 1_000]
  const feedback = new TransportWideCC({
    senderSsrc: 1,
    mediaSourceSsrc: 2,
    baseSequenceNumber: 10,
    packetStatusCount: 25,
    referenceTime: 100,
    fbPktCount: 1,
    packetChunks: [
      new StatusVectorChunk({ type: 1, symbolSize: 1, symbolList: [...statuses, LOST, LOST] }),
      new RunLengthChunk({ type: 0, packetStatus: LOST, runLength: 18 }),
    ],
    recvDeltas: deltas.map((delta) => new RecvDelta({ delta })),
  })
  // not as part of a compound: werift (0.25.2) announces a length without the padding
  const read = new TransportFeedback(new RtcpTransportLayerFeedback({ feedback }).serialize())
  assert.deepEqual(
    read.arrivals.slice(0, 6).map(({ at }) => at),
    [6_400.25, 6_400.75, undefined, 6_470.75, 6_471.75, undefined],
  )
  assert.equal(read.arrivals.length, 25)
})

test('feedback that claims more packets than it describes, or more deltas than it has, is rejected', () => {
  const rejected = (packet: Buffer) => assert.throws(() => new TransportFeedback(packet), /malformed/)
  const lost = (count: number, ...chunks: number[]) => message(chunks, [], { count })
  assert.equal(new TransportFeedback(lost(14 + 7 + 100, 0x8000, 0xc000, 0x0064)).arrivals.length, 121)
  rejected(lost(65_535, ...Array.from({ length: 8 }, () => 0x1fff)))
  rejected(lost(100, 0x0001))
  rejected(lost(100, 0x0000))
  rejected(message([0x2064], [1, 2, 3], { count: 100 }))
  rejected(Buffer.alloc(14))
})

test('malformed feedback does not take the other packets of its compound with it', () => {
  const pli = Buffer.from('81ce0002000000010000abcd', 'hex')
  const packets = RtcpPacketConverter.deSerialize(Buffer.concat([message([0x0000], [], { count: 100 }), pli]))
  assert.equal(packets.length, 1)
  assert.ok(packets[0] instanceof RtcpPayloadSpecificFeedback)
})

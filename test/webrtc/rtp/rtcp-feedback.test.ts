import assert from 'node:assert/strict'
import test from 'node:test'
import { RtcpPacketConverter } from 'werift'
import { missingSequences, receptionReport, requestsKeyframe } from '#services/webrtc/rtp/rtcp-feedback.ts'

const parse = (hex: string) => RtcpPacketConverter.deSerialize(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('PLI and FIR for our track request a keyframe', () => {
  const [pli] = parse('81ce0002 00000001 0000abcd')
  const [fir] = parse('84ce0004 00000001 00000000 0000abcd 07000000')
  for (const packet of [pli, fir]) {
    assert.ok(packet)
    assert.ok(requestsKeyframe(packet, 0xabcd))
    assert.ok(!requestsKeyframe(packet, 0xabce))
  }
})

test('other feedback does not', () => {
  const others = ['8fce0002 00000001 0000abcd', '81cd0003 00000001 0000abcd 00010000', '80c90001 00000001']
  for (const packet of others.flatMap(parse)) assert.ok(!requestsKeyframe(packet, 0xabcd))
})

test('a receiver report is matched with its track', () => {
  const [report] = parse('81c90007 00000001 0000abcd 80000005 00000064 00000003 11223344 00010000')
  assert.ok(report)
  const reception = receptionReport(report, 0xabcd)
  assert.deepEqual(reception, { loss: 0.5, lastSenderReport: 0x11223344, delay: 0x10000 })
  assert.equal(receptionReport(report, 1), undefined)
})

test('a receiver report’s loss of 0, 1, 2 and 255 is that many of 256 (F05)', () => {
  const losses = ['00', '01', '02', 'ff'].map((fraction) => {
    const [report] = parse(`81c90007 00000001 0000abcd ${fraction}000005 00000064 00000003 11223344 00010000`)
    return report && receptionReport(report, 0xabcd)?.loss
  })
  assert.deepEqual(losses, [0, 1 / 256, 2 / 256, 255 / 256])
})

test('a NACK names packets of our track, also across the wrap of their numbers', () => {
  const [nack] = parse('81cd0003 00000001 0000abcd fffe0007')
  assert.ok(nack)
  assert.deepEqual(missingSequences(nack, 0xabcd), [65_534, 65_535, 0, 1])
  assert.deepEqual(missingSequences(nack, 1), [])
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { RtcpPacketConverter } from 'werift'
import { receptionOf, wantsKeyframe } from '#services/webrtc/rtp/rtcp-in.ts'

const parse = (hex: string) => RtcpPacketConverter.deSerialize(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('PLI and FIR for our track ask for a keyframe', () => {
  const [pli] = parse('81ce0002 00000001 0000abcd')
  const [fir] = parse('84ce0004 00000001 00000000 0000abcd 07000000')
  for (const packet of [pli, fir]) {
    assert.ok(packet)
    assert.ok(wantsKeyframe(packet, 0xabcd))
    assert.ok(!wantsKeyframe(packet, 0xabce))
  }
})

test('other feedback does not', () => {
  const others = ['8fce0002 00000001 0000abcd', '81cd0003 00000001 0000abcd 00010000', '80c90001 00000001']
  for (const packet of others.flatMap(parse)) assert.ok(!wantsKeyframe(packet, 0xabcd))
})

test('a receiver report is read for the track that it is about', () => {
  const [report] = parse('81c90007 00000001 0000abcd 80000005 00000064 00000003 11223344 00010000')
  assert.ok(report)
  const reception = receptionOf(report, 0xabcd)
  assert.equal(reception?.fractionLost, 128)
  assert.equal(reception?.lsr, 0x11223344)
  assert.equal(receptionOf(report, 1), undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sctpPacketCost } from '#services/webrtc/werift-patches/sctp-packet.ts'

/** One chunk (RFC 9260 §3.2) behind a common header. */
function packetOf(type: number, body: string): Buffer {
  const chunk = Buffer.from(`00000000${body}`, 'hex')
  chunk.writeUInt8(type, 0)
  chunk.writeUInt16BE(chunk.length, 2)
  return Buffer.concat([Buffer.alloc(12), chunk])
}

test('a parameter of length 0, in any chunk that has parameters, makes an SCTP packet malformed', () => {
  const init = '00'.repeat(16)
  for (const [type, head] of [
    [1, init],
    [2, init],
    [4, ''],
    [5, ''],
    [6, ''],
    [9, ''],
    [130, ''],
  ] as const) {
    assert.equal(sctpPacketCost(packetOf(type, `${head}00010008aabbccdd`)), 2)
    assert.equal(sctpPacketCost(packetOf(type, `${head}00010000aabbccdd`)), undefined, `type ${type}`)
    assert.equal(sctpPacketCost(packetOf(type, `${head}0001ffffaabbccdd`)), undefined, `type ${type}`)
    assert.equal(sctpPacketCost(packetOf(type, head + '00010004'.repeat(17))), undefined, `type ${type}`)
  }
})

test('a SACK of more than could be in flight, and a FORWARD TSN of many streams, are malformed', () => {
  const sack = (gaps: string, count: number) =>
    packetOf(3, `0000000100001000${count.toString(16).padStart(4, '0')}0000${gaps}`)
  assert.equal(sctpPacketCost(sack('00020003', 1)), 1)
  assert.equal(sctpPacketCost(sack('0001ffff', 1)), undefined)
  assert.equal(sctpPacketCost(sack('00010100'.repeat(200), 200)), undefined)
  assert.equal(sctpPacketCost(sack('00030002', 1)), undefined)
  assert.equal(sctpPacketCost(sack('00020003', 2)), undefined)
  assert.equal(sctpPacketCost(packetOf(3, '00')), undefined)
  assert.equal(sctpPacketCost(packetOf(192, `00000001${'00010001'.repeat(64)}`)), 1)
  assert.equal(sctpPacketCost(packetOf(192, `00000001${'00010001'.repeat(65)}`)), undefined)
})

test('chunk lengths that do not fit an SCTP packet are detected', () => {
  const packet = (...lengths: number[]) =>
    Buffer.concat([
      Buffer.alloc(12),
      ...lengths.map((length) => {
        const chunk = Buffer.alloc(Math.max(4, Math.ceil(length / 4) * 4))
        chunk.writeUInt16BE(length, 2)
        return chunk
      }),
    ])
  assert.equal(sctpPacketCost(packet(4, 17, 16)), 3)
  for (const lengths of [[], [0], [3], [4, 0]]) assert.equal(sctpPacketCost(packet(...lengths)), undefined)
  assert.equal(sctpPacketCost(packet(16).subarray(0, 20)), undefined)
})

test('a SACK acknowledges at most 2,048 packets out of order, in blocks that are valid', () => {
  const sack = (gaps: readonly string[], duplicates: readonly string[] = [], rest = '') => {
    const counts = [gaps, duplicates].map(({ length }) => length.toString(16).padStart(4, '0'))
    return sctpPacketCost(
      packetOf(3, `0000000100001000${counts.join('')}${[...gaps, ...duplicates].join('')}${rest}`),
    )
  }
  assert.equal(sack([]), 1)
  assert.equal(sack(['00020002']), 1)
  assert.equal(sack(['00010400', '00010400']), 1)
  assert.equal(sack(['00010400', '00010400', '00010001']), undefined)
  assert.equal(sack(['00000001']), undefined, 'a block that begins with 0')
  assert.equal(sack([], ['00000000', 'ffffffff']), 1, 'duplicates are no blocks')
  assert.equal(sack(['00010001'], ['00000001'], '00000000'), 1, 'longer than its content')
  assert.equal(sctpPacketCost(packetOf(3, '000000010000100000000001')), undefined, 'a duplicate is missing')
  assert.equal(sctpPacketCost(packetOf(3, '00000001000010000000')), undefined, 'ten bytes')
})

test('a FORWARD TSN has whole entries, and other chunks any content', () => {
  for (const body of ['', '0000', '0000000100010001ff']) {
    assert.equal(sctpPacketCost(packetOf(192, body)), undefined, body)
  }
  assert.equal(sctpPacketCost(packetOf(192, '00000001')), 1)
  for (const body of ['', 'ff', '00010000'.repeat(20)])
    assert.equal(sctpPacketCost(packetOf(0, body)), 1, body)
})

test('each parameter costs as much as a chunk, up to 16 of them', () => {
  for (let count = 0; count <= 16; count++) {
    assert.equal(sctpPacketCost(packetOf(4, '00010004'.repeat(count))), 1 + count)
  }
})

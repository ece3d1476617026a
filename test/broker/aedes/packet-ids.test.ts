import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from 'aedes'
import { assignPacketIds, releasePacketId, reservePacketId } from '#broker/aedes/packet-ids.ts'

/** A client of Aedes, as far as it assigns packet ids. */
function client() {
  let closed: Error | undefined
  const conn = { destroy: (err: Error) => (closed ??= err) }
  const one = { conn, _nextId: 65_000 }
  assignPacketIds(one as unknown as Client)
  /** As in Aedes: lib/qos-packet.js. */
  const send = () => {
    const id = one._nextId
    if (one._nextId >= 65_535) one._nextId = 1
    else one._nextId++
    return id
  }
  return { one, send, closed: () => closed }
}

test('[MQTT-2.3.1-4] a packet id is not used again before it is acknowledged', () => {
  const { one, send, closed } = client()
  const held = send()
  for (let i = 0; i < 100_000; i++) {
    const id = send()
    assert.ok(id > 0 && id <= 65_535 && id !== held, `${id}`)
    releasePacketId(one, id)
  }
  assert.equal(closed(), undefined)
})

test('the ids of a resumed session are not used for new messages', () => {
  const { one, send } = client()
  for (const id of [1, 2, 3, 5]) reservePacketId(one, id)
  assert.deepEqual([send(), send()], [4, 6])
  releasePacketId(one, 2)
  releasePacketId(one, 2)
  assert.equal(send(), 7)
})

test('a client that acknowledges nothing is disconnected when no packet id is left', () => {
  const { one, send, closed } = client()
  for (let i = 0; i < 65_534; i++) send()
  assert.equal(closed(), undefined)
  assert.equal(send(), 65_535)
  assert.match(closed()?.message ?? '', /no packet id left/)
  releasePacketId(one, 40_000)
  assert.equal(send(), 40_000)
})

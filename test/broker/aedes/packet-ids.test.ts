import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PacketIds } from '#broker/aedes/packet-ids.ts'

test('[MQTT-2.3.1-4] a packet id is not used again before it is acknowledged', () => {
  const ids = new PacketIds()
  const held = ids.take()
  for (let i = 0; i < 100_000; i++) {
    const id = ids.take() ?? 0
    assert.ok(id > 0 && id <= 65_535 && id !== held, `${id}`)
    ids.release(id)
  }
})

test('the ids of a resumed session are not used for new messages', () => {
  const ids = new PacketIds()
  for (const id of [1, 2, 3, 5]) ids.reserve(id)
  assert.deepEqual([ids.take(), ids.take()], [4, 6])
  ids.release(2)
  ids.release(2)
  assert.equal(ids.take(), 7)
})

test('there is no id when all are in use', () => {
  const ids = new PacketIds()
  for (let i = 0; i < 65_535; i++) assert.ok(ids.take())
  assert.equal(ids.take(), undefined)
  ids.release(40_000)
  assert.equal(ids.take(), 40_000)
})

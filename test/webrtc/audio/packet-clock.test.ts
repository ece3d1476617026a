import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PacketClock } from '#services/webrtc/audio/packet-clock.ts'

const START = Date.parse('2026-11-28T12:00:00Z')

test('packets are 960 ticks apart, whatever the jitter and the drift of their capture times', () => {
  const clock = new PacketClock()
  let { timestamp: last, begins } = clock.next(START)
  assert.ok(begins)
  for (let n = 1; n < 5_000; n++) {
    const next = clock.next(START + n * 20.004 + (n % 5))
    assert.deepEqual([(next.timestamp - last) >>> 0, next.begins], [960, false])
    last = next.timestamp
  }
})

test('after a gap the timestamp continues as the capture time does', () => {
  const clock = new PacketClock()
  const { timestamp } = clock.next(START)
  assert.deepEqual(clock.next(START + 1_500), { timestamp: timestamp + 72_000, begins: true })
  assert.deepEqual(clock.next(START + 1_520), { timestamp: timestamp + 72_960, begins: false })
})

test('a clock that is set back or forward by years neither stops nor repeats the timestamps', () => {
  const clock = new PacketClock()
  const { timestamp } = clock.next(START)
  assert.equal(clock.next(0).timestamp, timestamp + 960)
  assert.equal(clock.next(START).timestamp, timestamp + 960 + 480_000)
})

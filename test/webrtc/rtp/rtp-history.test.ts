import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RtpHistory } from '#services/webrtc/rtp/rtp-history.ts'

const media = (sequence: number, length = 10) => ({
  ...{ sequence, timestamp: sequence, marker: false },
  payload: Buffer.alloc(length),
})

test('a packet is retransmitted at most six times, 30 ms apart', () => {
  const history = new RtpHistory()
  history.add(media(5))
  const at = (now: number) => history.retransmit(5, now)?.sequence
  assert.deepEqual([at(0), at(29), at(30)], [5, undefined, 5])
  for (let i = 2; i < 6; i++) assert.equal(at(i * 100), 5)
  assert.equal(at(10_000), undefined)
  assert.equal(history.retransmit(6, 0), undefined)
})

test('a packet that is missing after all retransmissions is given up, once', () => {
  const history = new RtpHistory()
  history.add(media(5))
  for (let i = 0; i < 6; i++) {
    assert.equal(history.givesUp(5, i * 100), false)
    history.retransmit(5, i * 100)
  }
  assert.deepEqual(
    [529, 530, 600].map((now) => history.givesUp(5, now)),
    [false, true, false],
  )
  assert.equal(history.givesUp(6, 1_000), false)
})

test('the last 512 packets are kept, over a wrap of the sequence number', () => {
  const history = new RtpHistory()
  for (let i = 0; i < 600; i++) history.add(media((65_300 + i) & 0xffff))
  const newest = (65_300 + 599) & 0xffff
  const has = (sequence: number) => history.retransmit(sequence & 0xffff, 0) !== undefined
  assert.deepEqual(
    [has(newest), has(newest - 511 + 0x10000), has(newest - 512 + 0x10000)],
    [true, true, false],
  )
})

test('padding repeats the largest of the last 256 packets', () => {
  const history = new RtpHistory()
  assert.equal(history.largestRecent(), undefined)
  history.add(media(1, 900))
  history.add(media(2, 500))
  for (let i = 3; i <= 256; i++) history.add(media(i, 20))
  assert.equal(history.largestRecent()?.sequence, 1)
  history.add(media(257, 20))
  assert.equal(history.largestRecent()?.sequence, 2)
})

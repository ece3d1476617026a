import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ArrivalRate, LossRate } from '#services/webrtc/congestion/packet-rates.ts'
import { QueueDelay } from '#services/webrtc/congestion/queue-delay.ts'
import { SentPackets } from '#services/webrtc/congestion/sent-packets.ts'

const outcome = (sentAt: number, receivedAt: number | undefined, size = 1_000) => ({
  ...{ sentAt, receivedAt, size },
  probe: undefined,
})
/** Offset of the viewer's clock. */
const OFFSET = 1e9

test('the rate is that of the last window, and unknown until one has passed', () => {
  const rate = new ArrivalRate(1_000)
  assert.equal(rate.now, undefined)
  rate.add(outcome(0, undefined))
  for (let at = 0; at <= 990; at += 10) rate.add(outcome(at, OFFSET + at, 125))
  assert.equal(rate.now, undefined)
  rate.add(outcome(1_000, OFFSET + 1_000, 125))
  assert.equal(rate.now, 100_000)
  rate.add(outcome(2_000, OFFSET + 2_000, 500))
  assert.equal(rate.now, 4_000, 'all others are older than the window')
  rate.add(outcome(1_500, OFFSET + 1_500, 500))
  assert.equal(rate.now, 8_000, 'a packet that was overtaken counts')
})

test('a step of the viewer’s clock of more than ten windows starts the rate again', () => {
  for (const step of [10_001, -10_001]) {
    const rate = new ArrivalRate(1_000)
    for (let at = 0; at <= 1_000; at += 100) rate.add(outcome(at, OFFSET + at))
    rate.add(outcome(1_100, OFFSET + 1_000 + step))
    assert.equal(rate.now, undefined)
  }
  const rate = new ArrivalRate(1_000)
  for (let at = 0; at <= 1_000; at += 100) rate.add(outcome(at, OFFSET + at))
  rate.add(outcome(1_100, OFFSET + 11_000))
  assert.equal(rate.now, 8_000)
})

test('packets of one arrival time are bounded', () => {
  const rate = new ArrivalRate(1_000)
  rate.add(outcome(0, OFFSET))
  for (let i = 0; i < 3_000; i++) rate.add(outcome(1_000, OFFSET + 1_000, 125))
  assert.equal(rate.now, 2_048 * 1_000)
})

test('loss is the share of the packets of the last second, from 20 packets on', () => {
  const loss = new LossRate()
  for (let i = 0; i < 19; i++) loss.add(outcome(i, i < 5 ? undefined : OFFSET))
  assert.equal(loss.now, undefined)
  loss.add(outcome(19, OFFSET))
  assert.equal(loss.now, 0.25)
  loss.add(outcome(1_000, OFFSET))
  assert.equal(loss.now, 0.2, 'the first is a second old')
  loss.add(outcome(1_004.5, OFFSET))
  assert.equal(loss.now, undefined)
})

test('the queue is the delay above the smallest one, of the least delayed of the last 150 ms', () => {
  const queue = new QueueDelay()
  assert.equal(queue.now, 0)
  const add = (sentAt: number, delay: number) => queue.add(outcome(sentAt, OFFSET + sentAt + delay))
  add(0, 20)
  assert.equal(queue.now, 0)
  add(100, 60)
  assert.equal(queue.now, 0)
  add(120, 60)
  assert.equal(queue.now, 40, 'the first arrived 160 ms before')
})

test('only current packets count for the queue, and the best of them', () => {
  const queue = new QueueDelay()
  const add = (sentAt: number, delay: number) => queue.add(outcome(sentAt, OFFSET + sentAt + delay))
  add(0, 20)
  add(200, 100)
  assert.equal(queue.now, 80)
  add(210, 60)
  assert.equal(queue.now, 40)
  queue.add(outcome(220, undefined))
  add(300, 90)
  assert.equal(queue.now, 40)
  add(400, 90)
  assert.equal(queue.now, 70)
})

test('a base delay is forgotten after one to two windows of 10 s', () => {
  const queue = new QueueDelay()
  const run = (from: number, to: number, delay: number) => {
    for (let at = from; at < to; at += 100) queue.add(outcome(at, OFFSET + at + delay))
    return queue.now
  }
  assert.equal(run(0, 5_000, 20), 0)
  assert.equal(run(5_000, 19_900, 100), 80)
  assert.equal(run(20_000, 20_200, 100), 0)
})

test('a step of the clock of more than 10 s starts the queue again, a smaller one is a queue', () => {
  for (const [step, expected] of [
    [10_500, 0],
    [-10_500, 0],
    [9_000, 9_000],
  ] as const) {
    const queue = new QueueDelay()
    queue.add(outcome(0, OFFSET))
    queue.add(outcome(200, OFFSET + 200))
    queue.add(outcome(400, OFFSET + 400 + step))
    assert.equal(queue.now, expected)
  }
})

test('each packet is matched with its report once; one that was reported lost may still arrive', () => {
  const sent = new SentPackets()
  const probe = { packets: 8 }
  const first = sent.add(100, 1)
  const second = sent.add(200, 2, probe)
  assert.equal(second, first + 1)
  assert.deepEqual(sent.acknowledge([{ sequence: second, at: 50 }]), [
    { sentAt: 2, size: 200, probe, receivedAt: 50 },
  ])
  assert.deepEqual(sent.acknowledge([{ sequence: second, at: 50 }]), [])
  const lost = { sequence: first, at: undefined }
  assert.deepEqual(
    sent
      .acknowledge([lost, lost, { sequence: first, at: 60 }, { sequence: first, at: 61 }])
      .map((one) => one.receivedAt),
    [undefined, 60],
  )
  assert.deepEqual(sent.acknowledge([{ sequence: 999, at: 1 }]), [])
})

test('sequence numbers have 16 bits, and 2 048 packets are kept', () => {
  const sent = new SentPackets()
  for (let i = 1; i < 0xffff; i++) sent.add(1, i)
  assert.deepEqual([sent.add(1, 0), sent.add(1, 0), sent.add(1, 0)], [0xffff, 0, 1])
  const known = (sequence: number) => sent.acknowledge([{ sequence, at: 1 }]).length === 1
  assert.deepEqual([known(0x10001 - 2_048), known(0x10002 - 2_048), known(1)], [false, true, true])
})

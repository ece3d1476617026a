import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { DriveAcks } from '#commands/drive-acks.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

const TIMEOUT = 5_000

function openAcks(t: TestContext) {
  const clock = fakeClock(t)
  const sent: string[] = []
  const acks = new DriveAcks<number>(
    (command, echo, { success, error }) => sent.push(`${command} ${echo} ${success} ${error ?? ''}`.trim()),
    TIMEOUT,
  )
  return { clock, acks, sent }
}

test('one answer of a kind is sent in 5 s; another kind is sent at once', (t) => {
  const { clock, acks, sent } = openAcks(t)
  const ok = (echo: number) => acks.acknowledge('motor', echo, { success: true })
  ok(1)
  clock.advance(4_999)
  ok(2)
  acks.acknowledge('motor', 3, { success: false, error: 'jammed: left' })
  acks.acknowledge('motor', 4, { success: false, error: 'jammed: right' })
  acks.acknowledge('drive', 5, { success: true })
  clock.advance(1)
  ok(6)
  assert.deepEqual(sent, ['motor 1 true', 'motor 3 false jammed: left', 'drive 5 true', 'motor 6 true'])
})

test('a burst without an answer has one failure, 5 s after its first command', (t) => {
  const { clock, acks, sent } = openAcks(t)
  for (let i = 0; i < 10; i++) {
    acks.add('motor', i)
    clock.advance(100)
  }
  clock.advance(TIMEOUT - 1_001)
  assert.deepEqual(sent, [])
  clock.advance(1)
  assert.deepEqual(sent, ['motor 9 false nothing on the robot answered this command'])
  clock.advance(60_000)
  assert.equal(sent.length, 1)
})

test('an answer ends the wait of the whole burst', (t) => {
  const { clock, acks, sent } = openAcks(t)
  const id = acks.add('motor', 1, 'given')
  acks.add('motor', 2)
  assert.equal(id, 'given')
  assert.equal(acks.answered(id, { success: true }), true)
  assert.equal(acks.answered(id, { success: true }), false)
  clock.advance(60_000)
  assert.deepEqual(sent, ['motor 1 true'])
})

test('of 33 commands the oldest is forgotten', (t) => {
  const { acks } = openAcks(t)
  const ids = Array.from({ length: 33 }, (_, i) => acks.add('motor', i))
  const known = ids.map((id) => acks.answered(id, { success: true }))
  assert.deepEqual([known[0], known[1], known.at(-1)], [false, true, true])
})

test('the time of 64 kinds of answers is kept', (t) => {
  const { acks, sent } = openAcks(t)
  const fail = (kind: number) => acks.acknowledge('motor', 0, { success: false, error: `e${kind}` })
  for (let kind = 0; kind < 64; kind++) fail(kind)
  fail(0)
  assert.equal(sent.length, 64)
  fail(64)
  fail(1)
  assert.equal(sent.length, 65)
  fail(0)
  assert.equal(sent.length, 66, 'the oldest was forgotten')
})

test('the end answers the last one that is pending, and no more', (t) => {
  const { clock, acks, sent } = openAcks(t)
  acks.end('nothing')
  acks.add('motor', 1)
  acks.add('drive', 2)
  acks.end('the robot stops')
  clock.advance(60_000)
  assert.deepEqual(sent, ['drive 2 false the robot stops'])
})

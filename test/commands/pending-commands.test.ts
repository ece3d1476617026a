import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PendingCommands } from '#commands/pending-commands.ts'

test('what was accepted is told twice, everything else once, and a late result never (B06, B21)', () => {
  const acks: unknown[] = []
  const pending = new PendingCommands((command, _echo, { success }) => acks.push([command, success]))
  const treat = pending.add('treat', {})
  pending.answered(treat, { success: true, accepted: true })
  pending.answered(treat, { success: false, error: 'jammed' })
  pending.answered(treat, { success: true })
  pending.answered('made-up', { success: true })
  assert.deepEqual(acks, [
    ['treat', true],
    ['treat', false],
  ])
  pending.add('led', {})
  pending.end('the robot stops')
  assert.deepEqual(acks.at(-1), ['led', false])
})

test('a driver is told that nothing takes the commands while still driving, and not at every frame (B05)', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const acks: string[] = []
  const pending = new PendingCommands((command, _echo, { success }) => acks.push(`${command} ${success}`))
  for (let i = 0; i < 500; i++) {
    pending.addDrive('motor', {})
    t.mock.timers.tick(20)
  }
  assert.ok(acks.includes('motor false'))
  assert.ok(acks.length <= 2, acks.join())
  assert.equal(pending.isFull, false)
  // a service that takes its time is heard nevertheless
  const asked = Array.from({ length: 5 }, () => pending.addDrive('drive', {}))
  pending.answered(asked[0] ?? '', { success: true })
  assert.equal(acks.at(-1), 'drive true')
  pending.end('x')
})

test('an accepted command gets no later failure because nothing answered (B06, B21)', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const acks: boolean[] = []
  const pending = new PendingCommands((_command, _echo, { success }) => acks.push(success))
  const [done, silent] = [pending.add('upload', {}), pending.add('upload', {})]
  pending.answered(done, { success: true, accepted: true })
  pending.answered(silent, { success: true, accepted: true })
  t.mock.timers.tick(60_000)
  pending.answered(done, { success: false, error: 'the disk is full' })
  t.mock.timers.tick(10 * 60_000)
  pending.answered(silent, { success: true })
  assert.deepEqual(acks, [true, true, false])
})

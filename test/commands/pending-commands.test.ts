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

test('a command without an answer fails after the time that it may take', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (const [name, params, seconds] of [
    ['led', {}, 5],
    ['treat', {}, 35],
    ['dispense_treat', {}, 35],
    ['treat_unjam', {}, 35],
    ['carousel_rotate', {}, 35],
    ['record_video', {}, 45],
    ['ptt_record', {}, 45],
    ['audio_request', {}, 45],
    ['upload_song', {}, 45],
    ['download_song', {}, 45],
    ['controller_scan', {}, 20],
    ['controller_pair', {}, 30],
    ['ptt_play', {}, 20],
    ['ptt_play', { duration_ms: 0 }, 20],
    ['ptt_play', { duration_ms: 3_000 }, 13],
    ['ptt_play', { duration_ms: 3_600_000 }, 70],
  ] as const) {
    const acks: string[] = []
    const pending = new PendingCommands((command, _echo, { error }) => acks.push(`${command}: ${error}`))
    pending.add(name, {}, params)
    t.mock.timers.tick(seconds * 1_000 - 1)
    assert.deepEqual(acks, [], name)
    t.mock.timers.tick(1)
    assert.deepEqual(acks, [`${name}: nothing on the robot answered this command`])
  }
})

test('256 commands wait at most; one more fails the oldest', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const failed: unknown[] = []
  const pending = new PendingCommands<number>((_command, echo) => failed.push(echo))
  for (let i = 0; i < 255; i++) pending.add('led', i)
  assert.equal(pending.isFull, false)
  pending.add('led', 255)
  assert.deepEqual([pending.isFull, failed], [true, []])
  pending.add('led', 256)
  assert.deepEqual([pending.isFull, failed], [true, [0]])
})

test('an accepted command is forgotten after ten minutes, without a failure', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const acks: unknown[] = []
  const pending = new PendingCommands((_command, _echo, outcome) => acks.push(outcome.success))
  const accepted = { success: true, accepted: true }
  const [early, late] = [pending.add('upload', {}), pending.add('upload', {})]
  pending.answered(early, accepted)
  pending.answered(late, accepted)
  t.mock.timers.tick(10 * 60_000 - 1)
  pending.answered(early, { success: false })
  t.mock.timers.tick(1)
  pending.answered(late, { success: false })
  assert.deepEqual(acks, [true, true, false])
  const refused = pending.add('upload', {})
  pending.answered(refused, { success: false, accepted: true })
  pending.answered(refused, { success: true })
  assert.deepEqual(acks.slice(3), [false], 'what failed is over')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameLimits } from '#services/relay-bridge/protocol/frame-limits.ts'
import { fakeNow } from '#test/helpers/fake-clock.ts'

/** How many of so many frames pass. */
function passed(limits: FrameLimits, frames: number, kind: (n: number) => string): number {
  return Array.from({ length: frames }, (_, n) => limits.take(kind(n))).filter(Boolean).length
}

test('a flood of one kind is limited and leaves the other kinds alone', (t) => {
  fakeNow(t, () => 0)
  const limits = new FrameLimits(['profiles', 'webrtc_ice'])
  assert.equal(
    passed(limits, 5_000, () => 'profiles'),
    1_000,
  )
  assert.equal(
    passed(limits, 500, () => 'webrtc_ice'),
    500,
  )
})

test('every voice clip of an owner passes when a connect replays them', (t) => {
  fakeNow(t, () => 0)
  const limits = new FrameLimits(['voice_command_updated'])
  assert.equal(
    passed(limits, 6_000, () => 'voice_command_updated'),
    5_000,
  )
})

test('unknown kinds share one limit, whatever their names, and one name in the log', (t) => {
  fakeNow(t, () => 0)
  const limits = new FrameLimits(['profiles'])
  assert.equal(
    passed(limits, 30_000, (n) => `unknown ${n}`),
    200,
  )
  assert.equal(limits.nameOf('unknown 5'), 'unknown')
  assert.equal(limits.nameOf('profiles'), 'profiles')
})

test('commands pass: their own limits exempt stops', (t) => {
  fakeNow(t, () => 0)
  assert.equal(
    passed(new FrameLimits([]), 30_000, () => 'command'),
    30_000,
  )
})

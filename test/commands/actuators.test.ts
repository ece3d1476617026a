import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ActuatorLimits, CommandLimits } from '#commands/actuators.ts'

test('each actuator has its own pace, and driving none (B18, B12)', () => {
  const limits = new ActuatorLimits(CommandLimits.parse({ treats: { per_minute: 6, burst: 2 } }))
  assert.equal(limits.waitFor('treat', {}, 0), undefined)
  assert.equal(limits.waitFor('dispense_treat', {}, 0), undefined)
  assert.equal(limits.waitFor('treat', {}, 0), 10_000)
  assert.equal(limits.waitFor('treat', {}, 9_999), 1)
  assert.equal(limits.waitFor('treat', {}, 10_001), undefined)
  for (let i = 0; i < 1_000; i++) assert.equal(limits.waitFor('motor', {}, 0), undefined)
  assert.equal(limits.waitFor('led', {}, 0), undefined)
})

test('sound and light may be put out at any pace (B18)', () => {
  const once = { per_minute: 1, burst: 1 }
  const limits = new ActuatorLimits(CommandLimits.parse({ audio: once, light: once }))
  for (let i = 0; i < 5; i++) {
    assert.equal(limits.waitFor('audio', { stop: true }, 0), undefined)
    assert.equal(limits.waitFor('led_off', {}, 0), undefined)
    assert.equal(limits.waitFor('led', { off: true }, 0), undefined)
    assert.equal(limits.waitFor('mood_led', { action: 'off' }, 0), undefined)
  }
  assert.equal(limits.waitFor('led', { pattern: 'x' }, 0), undefined)
  assert.equal(limits.waitFor('mood_led', { action: 'on' }, 0), 60_000)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PrivacySection } from '#services/vision/config.ts'
import { Schedule } from '#services/vision/privacy/schedule.ts'

/** Local time on a day without a change of the clocks. */
const at = (text: string) => new Date(`2026-01-${text}`).getTime()
const NIGHT = { from: '0 22 * * *', to: '0 7 * * *' }

test('a period lasts from one expression to the next time of the other, over midnight too', () => {
  const schedule = new Schedule([NIGHT])
  const rows: [string, string | null][] = [
    ['14T21:59:59', null],
    ['14T22:00:00', '15T07:00:00'],
    ['15T03:00:00', '15T07:00:00'],
    ['15T06:59:59', '15T07:00:00'],
    ['15T07:00:00', null],
  ]
  for (const [now, end] of rows) assert.equal(schedule.endOf(at(now)), end && at(end), now)
  assert.equal(schedule.startAfter(at('15T03:00:00')), at('15T22:00:00'))
})

test('a period begins with the first start after its last end, and is over at the next end', () => {
  const rows: [string, string, string, string | null][] = [
    // further starts within a period
    ['0 8,12 * * *', '0 17 * * *', '14T09:00:00', '14T17:00:00'],
    ['0 8 * * MON-FRI', '0 17 * * FRI', '13T20:00:00', '16T17:00:00'],
    ['*/15 * * * *', '0 7 * * *', '14T12:00:00', '15T07:00:00'],
    // further ends after it
    ['0 22 * * MON-FRI', '0 7 * * *', '17T06:00:00', '17T07:00:00'],
    ['0 22 * * MON-FRI', '0 7 * * *', '17T12:00:00', null],
    // without a break
    ['0 0 * * *', '0 0 * * *', '14T12:00:00', '15T00:00:00'],
  ]
  for (const [from, to, now, end] of rows) {
    assert.equal(new Schedule([{ from, to }]).endOf(at(now)), end && at(end), `${from} to ${to}, ${now}`)
  }
})

test('of overlapping periods the last end counts; without periods there is none', () => {
  const schedule = new Schedule([NIGHT, { from: '0 6 * * *', to: '0 9 * * *' }])
  assert.equal(schedule.endOf(at('15T06:30:00')), at('15T09:00:00'))
  assert.equal(schedule.startAfter(at('15T12:00:00')), at('15T22:00:00'))
  const none = new Schedule([])
  assert.deepEqual([none.isEmpty, none.endOf(0), none.startAfter(0)], [true, null, null])
})

test('the config takes cron expressions that will be due', () => {
  const parses = (from: string) => PrivacySection.safeParse({ schedule: [{ from, to: '0 7 * * *' }] }).success
  assert.ok(['0 22 * * *', '30 8 * * MON-FRI', '*/15 * * * *'].every(parses))
  assert.ok(!['', 'tonight', '61 * * * *', '0 0 31 2 *', '0 22 * *'].some(parses))
  assert.deepEqual(PrivacySection.parse(undefined), { schedule: [] })
})

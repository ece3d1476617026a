import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteRange } from '#services/recorder/history/byte-range.ts'

test('ranges of RFC 9110', () => {
  const cases: [string | undefined, ReturnType<typeof byteRange>][] = [
    [undefined, 'all'],
    ['bytes=0-', { start: 0, end: 99 }],
    ['bytes=10-19', { start: 10, end: 19 }],
    ['bytes=90-1000', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=99-', { start: 99, end: 99 }],
    ['bytes=100-', 'invalid'],
    ['bytes=-0', 'invalid'],
    ['bytes=20-10', 'all'],
    ['bytes=-', 'all'],
    ['bytes=0-1,5-6', 'all'],
    ['lines=0-1', 'all'],
    [`bytes=0-${'9'.repeat(400)}`, 'all'],
  ]
  for (const [header, range] of cases) assert.deepEqual(byteRange(header, 100), range, header)
  assert.equal(byteRange('bytes=0-', 0), 'invalid')
})

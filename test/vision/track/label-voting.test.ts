import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LabelVoting } from '#services/vision/track/label-voting.ts'

/** The label after these scores of another one, of a track that began as a dog. */
function labelAfter(first: number, ...cats: number[]): string {
  const voting = new LabelVoting('dog', first)
  for (const score of cats) voting.add('cat', score)
  return voting.label
}

test('a label needs one and a half times the sum of the old one, and 0.3 more', () => {
  // the older sum is 0.4 * 0.9 = 0.36, so 0.84 is needed
  assert.equal(labelAfter(0.4, 0.83), 'dog')
  assert.equal(labelAfter(0.4, 0.85), 'cat')
})

test('older scores fade by a tenth with each new one', () => {
  // 0.9 fades to 0.81, 0.729, 0.6561; cats sum up to 0.6, 1.14, 1.626
  assert.equal(labelAfter(0.9, 0.6, 0.6), 'dog')
  assert.equal(labelAfter(0.9, 0.6, 0.6, 0.6), 'cat')
})

test('at most eight labels are counted', () => {
  const voting = new LabelVoting('a', 0.01)
  for (const label of 'bcdefgh') voting.add(label, 0.01)
  for (let i = 0; i < 50; i++) voting.add('i', 0.9)
  assert.equal(voting.label, 'a')
  for (let i = 0; i < 5; i++) voting.add('h', 0.9)
  assert.equal(voting.label, 'h')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { detectClip, fits, ghosts, play } from './demo-clip.ts'

test('on the demo clip the dog is tracked, each visit is one track, and boxes fit the animals', async (t) => {
  const figures = play(await detectClip(3), 5, ['dog', 'cat'])
  const { asked, found, idsPerVisit } = figures
  const overlaps = fits(figures)
  const good = overlaps.filter((overlap) => overlap >= 0.75).length / overlaps.length
  t.diagnostic(
    `found ${found} of ${asked}, tracks per visit ${idsPerVisit}, IoU >= 0.75 in ${(100 * good).toFixed(1)} %`,
  )
  assert.ok(found / asked >= 0.95, `${found} of ${asked}`)
  assert.deepEqual(idsPerVisit, [1, 1])
  assert.deepEqual(ghosts(figures), [])
  assert.ok(good >= 0.95, `${good}`)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clip, detectClip, fits, ghosts, play, visits } from './demo-clip.ts'

test('in the first visit of the demo clip the dog is one track, and boxes fit it', async (t) => {
  const [, last = 0] = visits()[0] ?? []
  const figures = play(await detectClip(3, last + 2 * clip.fps), 5, ['dog', 'cat'])
  const { asked, found, idsPerVisit } = figures
  const overlaps = fits(figures)
  const good = overlaps.filter((overlap) => overlap >= 0.75).length / overlaps.length
  t.diagnostic(`found ${found} of ${asked}, IoU >= 0.75 in ${(100 * good).toFixed(1)} %`)
  assert.ok(asked > 20 && found / asked >= 0.95, `${found} of ${asked}`)
  assert.equal(idsPerVisit[0], 1)
  assert.deepEqual(ghosts(figures), [])
  assert.ok(good >= 0.95, `${good}`)
})

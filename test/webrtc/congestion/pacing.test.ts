import assert from 'node:assert/strict'
import test from 'node:test'
import { KeyframeRequests } from '#services/webrtc/video/layer-feed.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

test('keyframe requests: the first at once, one more for all that follow, none when a keyframe has arrived', (t) => {
  const clock = fakeClock(t)
  let asked = 0
  using requests = new KeyframeRequests(() => asked++, 50)
  for (let i = 0; i < 10; i++) requests.request()
  assert.equal(asked, 1)
  clock.advance(49)
  assert.equal(asked, 1)
  clock.advance(2)
  assert.equal(asked, 2)
  clock.advance(100)
  for (let i = 0; i < 10; i++) requests.request()
  assert.equal(asked, 3)
  requests.keyframeArrived()
  clock.advance(100)
  assert.equal(asked, 3)
})

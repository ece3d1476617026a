import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { cutPower, FakeRobot } from './fake-docker-robot.ts'

test('with Docker an update is kept, or goes back; only the image before stays', async (t) => {
  const robot = new FakeRobot(t)
  robot.tag('before', 'oldest')
  const kept = await robot.wimz(['update', join(robot.root, 'new')])
  assert.equal(kept.code, 0, kept.output)
  assert.deepEqual([robot.running, robot.tagged, robot.removed], ['new', 'new', ['oldest']])
  const refused = await robot.wimz(['update', join(robot.root, 'broken')])
  assert.equal(refused.code, 75, refused.output)
  assert.match(refused.output, /not healthy after 0 s: .*service vision/)
  assert.deepEqual([robot.running, robot.tagged, robot.removed], ['new', 'new', ['oldest', 'broken']])
  assert.equal((await robot.wimz(['rollback'])).code, 0)
  assert.deepEqual([robot.running, robot.tagged], ['old', 'old'])
  assert.ok(robot.isAtRest)
})

// every step of every verb: power-cuts.nightly.ts
test('a power cut during a rollback with Docker leaves one whole version running, also after the next boot', async (t) => {
  const rollback = (robot: FakeRobot) => {
    robot.tag('before', 'new')
    return ['rollback']
  }
  assert.ok((await cutPower(t, rollback, 3)) >= 5)
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { cutPower, type FakeRobot } from './fake-docker-robot.ts'

const VERBS: Record<string, (robot: FakeRobot) => string[]> = {
  'an update that works': ({ root }) => ['update', join(root, 'new')],
  'an update that goes back': ({ root }) => ['update', join(root, 'broken')],
  'a rollback': (robot) => {
    robot.tag('before', 'new')
    return ['rollback']
  },
  'a backup': () => ['backup', 'saved.tar.gz'],
  'a restore': ({ archive }) => ['restore', archive],
}
for (const [name, prepare] of Object.entries(VERBS)) {
  test(`a power cut at any step of ${name} leaves one whole version running, also after the next boot`, async (t) => {
    const cuts = await cutPower(t, prepare, 1)
    assert.ok(cuts >= 10, `${cuts}`)
    t.diagnostic(`${cuts} cuts`)
  })
}

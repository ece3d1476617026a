import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CpuProfile } from '#bench/flame/cpu-profile.ts'
import { flameGraph } from '#bench/flame/flame-graph.ts'
import { flameTree, shortFile } from '#bench/flame/flame-tree.ts'

const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })
const OWN = 'file:///home/robot/stack/services/webrtc/rtp/rtp-sender.ts'

/** Root with idle time, and `send` called from two nodes of the same function. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('send', OWN, 10), children: [4] },
    { id: 4, callFrame: frame('', 'node:dgram', 20) },
    { id: 5, callFrame: frame('send', OWN, 10) },
  ],
  samples: [2, 3, 4, 5, 4],
  timeDeltas: [600, 100, 100, 50, 150],
}

test('the tree adds up the calls from one place, and idle time is no work', () => {
  const { root, wall } = flameTree(PROFILE)
  assert.equal(wall, 1000)
  assert.equal(root.total, 400)
  const [send, ...others] = root.children
  assert.deepEqual(others, [])
  assert.equal(send?.total, 400)
  assert.equal(send?.self, 150)
  assert.deepEqual(
    send?.children.map(({ name, file, line, total }) => [name, file, line, total]),
    [['(anonymous)', 'node:dgram', 21, 250]],
  )
})

test('a file has no path of the machine', () => {
  assert.equal(shortFile(OWN), 'services/webrtc/rtp/rtp-sender.ts')
  assert.equal(shortFile('file:///home/robot/node_modules/werift/lib/index.mjs'), 'werift/lib/index.mjs')
  assert.equal(shortFile('file:///opt/other/tool.ts'), 'tool.ts')
  assert.equal(shortFile('node:internal/timers'), 'node:internal/timers')
  assert.equal(shortFile(''), '')
})

test('width is time: of all work, or of a given percentage so that two graphs compare', () => {
  const tree = flameTree(PROFILE)
  const all = flameGraph(tree, { title: 'webrtc' })
  assert.match(all, /webrtc: 40 % of the time</)
  assert.match(all, /width="1200" height="15"/)
  assert.match(flameGraph(tree, { title: 'webrtc', full: 80 }), /width="600" height="15"/)
  assert.match(all, /send services\/webrtc\/rtp\/rtp-sender.ts: 40 % of the time, 15 % in itself/)
  assert.doesNotMatch(all, /home\/robot/)
})

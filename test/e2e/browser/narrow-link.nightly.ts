import assert from 'node:assert/strict'
import test from 'node:test'
import { withoutNamespaces } from '#test/helpers/netns.ts'
import { without } from '#test/helpers/tools.ts'
import { openNarrowLink, untilHeight, watch } from './narrow-link.ts'

const options = { skip: without('chromium') || withoutNamespaces(), timeout: 300_000 }

test(
  '3 Mbit/s, then 600 kbit/s, then 3 Mbit/s: the stream fits, stays live, and comes back (D09)',
  options,
  async (t) => {
    const { network, page } = await openNarrowLink(t)
    network.narrow(3_000)
    const top = await untilHeight(page, 720, 15_000)
    t.diagnostic(`top layer after ${top} ms`)
    assert.ok(top !== undefined)
    network.narrow(600)
    const falling = await watch(page, 5_000)
    const narrow = await watch(page, 15_000)
    network.narrow(3_000)
    const back = await untilHeight(page, 720, 30_000)
    t.diagnostic(JSON.stringify({ falling, narrow, back }))
    assert.ok(narrow.p95 <= 500, `age of a frame, 95 %: ${narrow.p95} ms`)
    assert.ok(Math.max(falling.longest, narrow.longest) <= 1_000, 'a freeze of more than 1 s')
    assert.ok((back ?? Infinity) <= 15_000, `top layer again after ${back} ms`)
  },
)

test('5 % random loss: at least 13 pictures a second, no freeze over 1 s', options, async (t) => {
  const { network, page } = await openNarrowLink(t)
  await untilHeight(page, 720, 15_000)
  network.forward(`ip daddr ${network.address.viewer} meta l4proto udp numgen random mod 100 < 5 drop`)
  await watch(page, 2_000)
  const seen = await watch(page, 20_000)
  t.diagnostic(JSON.stringify(seen))
  assert.ok(seen.fps >= 13, `${seen.fps} pictures a second`)
  assert.ok(seen.longest <= 1_000, `a freeze of ${seen.longest} ms`)
})

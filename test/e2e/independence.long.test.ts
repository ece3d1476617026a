import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { openViewer } from '#test/webrtc/viewer.ts'

test('relay, bridge, vision and broker may each go: the session stays, picture and control go on (P18, P19)', {
  timeout: 180_000,
}, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const [offers, closed] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.closed)])
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 30, 20_000)
  const channel = await viewer.channel
  const pong = async () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error('no pong')), 5_000)
    const listening = channel.onMessage.subscribe(() => resolve())
    channel.send('{"type":"ping"}')
    await promise.finally(() => {
      clearTimeout(timer)
      listening.unSubscribe()
    })
  }
  for (const service of ['relay-bridge', 'local-relay', 'vision', 'broker']) {
    await t.test(`${service} is killed`, async () => {
      const back = stack.kill(service, 30_000)
      await pong()
      await back
      const before = viewer.video.length
      await viewer.until(({ video }) => video.length > before + 60, 20_000)
      await pong()
    })
  }
  assert.equal(offers.all.length, 1, 'never negotiated again')
  assert.deepEqual(closed.all, [])
})

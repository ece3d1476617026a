import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { on } from 'node:events'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { withoutAiortc } from '#test/helpers/tools.ts'
import { sharedStack } from './shared-stack.ts'

interface Said {
  sdp?: { type: 'answer'; sdp: string }
  frame?: number
  width?: number
  height?: number
  spread?: number
  message?: string
  track?: string
}

test('an app on aiortc, which only answers, decodes the picture and gets its pong', {
  skip: withoutAiortc(),
  timeout: 180_000,
}, async (t) => {
  const { stack } = await sharedStack()
  const bus = await stack.join()
  const app = spawn('/usr/bin/python3', [`${PROJECT_ROOT}/test/webrtc/aiortc_app.py`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  closeAfter(t, () => app.kill())
  const tell = (frame: object) => app.stdin.write(`${JSON.stringify(frame)}\n`)
  const session_id = 'aiortc'
  await bus.subscribe(topics.offer, ({ sdp }) => void tell({ sdp }))
  await bus.subscribe(topics.localCandidate, ({ candidate }) => void tell({ candidate }))
  await bus.publish(topics.request, { session_id, ice_servers: [] })
  const seen: Said[] = []
  const done = () =>
    seen.filter(({ frame }) => frame).length >= 45 && seen.some(({ message }) => message?.includes('pong'))
  for await (const [line] of on(createInterface(app.stdout), 'line', {
    signal: AbortSignal.timeout(45_000),
  })) {
    const said = JSON.parse(String(line)) as Said
    seen.push(said)
    if (said.sdp) await bus.publish(topics.answer, { session_id, sdp: said.sdp })
    if (done()) break
  }
  assert.deepEqual(new Set(seen.flatMap(({ track = [] }) => track)), new Set(['video', 'audio']))
  const picture = seen.findLast(({ frame }) => frame)
  assert.ok((picture?.width ?? 0) >= 320, JSON.stringify(picture))
  // a picture of something, not a grey plane
  assert.ok((picture?.spread ?? 0) > 10, JSON.stringify(picture))
  assert.deepEqual(JSON.parse(seen.find(({ message }) => message?.includes('pong'))?.message ?? '{}'), {
    type: 'pong',
    n: 7,
  })
  t.diagnostic(`${picture?.frame} frames of ${picture?.width}x${picture?.height}`)
})

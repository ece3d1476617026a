import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { startTestRecorder } from './start-recorder.ts'

/** What a relay does with uploads: `answer` is its status. */
async function relay(t: TestContext, answer: () => number) {
  const bodies: Buffer[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      bodies.push(Buffer.concat(parts))
      const body = { download_url: '/api/media/abc', filename: 'abc', size: 1 }
      response.writeHead(answer(), { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { bodies, relay_url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device` }
}

const keep = { labels: {}, events: {}, treats: null }

test('record_video is uploaded, and video_ready says where it is', async (t) => {
  const { bodies, relay_url } = await relay(t, () => 200)
  const { send, events } = await startTestRecorder(t, { recorder: { keep }, cloud: { relay_url } })
  assert.deepEqual((await send('record_video', { duration: 1, resolution: '720p' })).duration, 1)
  const { payload } = await events.next({ where: (_, { name }) => name === 'video_ready', within: 60_000 })
  const { filename, size_bytes, duration, ...rest } = payload
  assert.deepEqual(rest, { success: true, download_url: '/api/media/abc', resolution: '360p' })
  assert.match(String(filename), /^[\w.-]+\.mp4$/)
  assert.ok(Number(duration) > 0)
  const [body] = bodies
  assert.ok(body && body.length > Number(size_bytes))
  const text = body.toString('latin1')
  assert.match(text, /name="device_id"\r\n\r\nwimz_robot_99\r\n/)
  assert.ok(text.includes(`name="file"; filename="${filename}"\r\nContent-Type: video/mp4\r\n`))
})

test('an upload that fails makes video_ready say so, and the clip stays', async (t) => {
  const { relay_url } = await relay(t, () => 413)
  const { send, events, states } = await startTestRecorder(t, { recorder: { keep }, cloud: { relay_url } })
  await send('record_video', { duration: 1 })
  const { payload } = await events.next({ where: (_, { name }) => name === 'video_ready', within: 60_000 })
  assert.equal(payload.success, false)
  assert.equal(payload.error, 'upload to the relay failed: HTTP 413')
  await states.next({ where: ({ clips }) => clips === 1 })
})

test('bad parameters are refused with their name', async (t) => {
  const { send } = await startTestRecorder(t, { recorder: { keep } })
  for (const duration of [0, -1, 301, 1e9, 'long', {}]) {
    const { success, error } = await send('record_video', { duration })
    assert.equal(success, false)
    assert.match(error ?? '', /^duration: /)
  }
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 48 }
const INTERVAL_MS = 10_000

test('a camera with a frame every 10 s is slow, not lost, and the state has its rate', {
  timeout: 90_000,
}, async (t) => {
  using encoder = await JpegEncoder.open(SIZE)
  using gray = plainFrame(SIZE, [120, 120, 120])
  const file = await encoder.encode(gray)
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace;boundary=frame' })
    const send = () => {
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${file.length}\r\n\r\n`)
      response.write(file)
    }
    send()
    const timer = setInterval(send, INTERVAL_MS)
    response.on('close', () => clearInterval(timer))
  })
  closeAfter(t, () => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/video`
  await using camera = new Camera({
    settings: { source: { type: 'url', url, loop: false }, ...SIZE, fps: 15, rotate: 0, flip: 'none' },
    captureFrom,
    log: createLogger('test', { write() {} }),
  })
  const edges: boolean[] = []
  camera.on('edge', (ok) => void edges.push(ok))
  const enough = Promise.withResolvers<void>()
  let frames = 0
  camera.on('frame', ({ live }) => {
    if (live && ++frames === 5) enough.resolve()
  })
  camera.start()
  await enough.promise
  assert.deepEqual(edges, [])
  assert.equal(camera.summary.camera_retries, 0)
  assert.ok(Math.abs(camera.summary.fps - 0.1) < 0.02, `${camera.summary.fps} frames a second`)
})

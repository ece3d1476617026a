import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openJpeg } from '../frames.ts'
import { startTestVision } from '../start-vision.ts'

test('a snapshot comes at once on request, with the overlay on or off', async (t) => {
  const { app, send, states, cameraOk } = await startTestVision(t, { vision: { overlay: false } })
  const frames = await collect(app, topics.frame)
  await cameraOk()
  const times: number[] = []
  for (let i = 0; i < 10; i++) {
    const start = performance.now()
    await app.publish(topics.frameRequest, {})
    await frames.next({ within: 5_000 })
    times.push(performance.now() - start)
  }
  t.diagnostic(`${times.map((time) => time.toFixed(0))} ms`)
  const { success, enabled } = await send('set_overlay', { enabled: true })
  assert.deepEqual([success, enabled], [true, true])
  await states.next({ within: 5_000, where: ({ overlay }) => overlay === true })
  assert.match(String((await send('set_overlay', { enabled: 'yes' })).error), /enabled/)
})

test('both config keys disable the overlay', async (t) => {
  for (const config of [
    { vision: { overlay: false } },
    { webrtc: { video: { enable_ai_overlay: false } } },
    { vision: { overlay: true } },
  ]) {
    const { states } = await startTestVision(t, config)
    const wanted = config.vision?.overlay === true
    await states.next({ within: 5_000, where: ({ overlay }) => overlay === wanted })
  }
})

test('a snapshot of the placeholder comes on request', async (t) => {
  const source = { type: 'exec', command: ['/no/such/camera'], format: 'mjpeg' }
  const { app } = await startTestVision(t, { vision: { source } })
  const frames = await collect(app, topics.frame)
  await app.publish(topics.frameRequest, {})
  using decoder = await openJpeg()
  using pixels = await decoder.decode((await frames.next({ within: 5_000 })).payload)
  assert.deepEqual([pixels?.width, pixels?.height], [1280, 720])
})

test('the camera is reconfigured while video continues: size, rate, source, rotation (E14)', async (t) => {
  const { app, send, watch, cameraOk, states } = await startTestVision(t)
  await cameraOk()
  await watch(['low'])
  const video = await collect(app, topics.video)
  await video.next({ within: 8_000 })
  const sizeOf = (state: Record<string, unknown>) => {
    const { width, height } = state.size as { width: number; height: number }
    return `${width}x${height}`
  }
  const turned = await send('camera_control', { rotate: 90 })
  assert.deepEqual([turned.success, turned.width, turned.height], [true, 720, 1280])
  await states.next({ within: 5_000, where: (state) => sizeOf(state) === '720x1280' })
  const small = await send('camera_control', { rotate: 0, width: 640, height: 360, fps: 10 })
  assert.deepEqual([small.success, small.width, small.fps], [true, 640, 10])
  const other = await send('camera_control', { source: { type: 'synthetic' } })
  assert.deepEqual([other.success, other.source], [true, 'synthetic'])
  await video.next({ within: 5_000 })
})

test('settings that fail are reverted, and the result has the reason', async (t) => {
  const { send, cameraOk, states, app } = await startTestVision(t)
  const edges = await collect(app, topics.event, { name: 'camera_status_changed' })
  await cameraOk()
  const refused = async (params: Record<string, unknown>, why: RegExp) => {
    const { success, error } = await send('camera_control', params)
    assert.equal(success, false)
    assert.match(String(error), why)
  }
  await refused({ source: { type: 'v4l2', device: '/dev/video99' } }, /No such file/)
  await refused({ source: { type: 'exec', command: ['sh', '-c', 'id'], format: 'mjpeg' } }, /config file/)
  await refused({ source: { type: 'rpicam', args: ['--post-process-file', 'x'] } }, /config file/)
  await refused({ source: { type: 'v4l2', device: '/etc/passwd' } }, /\/dev\/video/)
  // the same answer for files that exist and files that do not, and nothing but video
  for (const url of [
    '/etc/passwd',
    '/etc/none',
    '/etc/none.mp4',
    'package.json',
    'demo/none.mp4',
    '.env',
    'README.md',
  ]) {
    await refused(
      { source: { type: 'url', url } },
      /^source\.url: no such video file in the project or in data_dir$/,
    )
  }
  const networks = [
    'http://127.0.0.1:1/live',
    'http://192.168.1.1/setup.txt',
    'HTTPS://169.254.169.254/latest',
    'rtsp://10.0.0.1/live',
    'udp://0.0.0.0:5000',
    'concat:/etc/passwd',
    'file:///etc/passwd',
    'data:video/mp4;base64,AAAA',
    'http:127.0.0.1/live',
    'camera.lan.evil.example:80',
  ]
  for (const url of networks) {
    await refused(
      { source: { type: 'url', url } },
      /^source\.url: (network cameras can only|no such video file)/,
    )
  }
  const insecure = { type: 'url', url: 'demo/clip.mp4', tls_insecure: true }
  await refused({ source: insecure }, /tls_insecure can only be set in the config file/)
  await refused({ width: 17 }, /width/)
  await refused({ rotate: 45 }, /rotate/)
  await states.next({
    within: 5_000,
    where: ({ source, camera_ok }) => source === 'url' && camera_ok === true,
  })
  assert.deepEqual(edges.all, [], 'the camera never failed')
})

test('apps receive each camera failure and recovery once (E04)', async (t) => {
  const file = join(temporaryFolder(t), 'gone')
  // a camera that works until the file is there
  const script = `setInterval(() => {
    if (require('node:fs').existsSync(process.argv[1])) process.exit(3)
    process.stdout.write(Buffer.alloc(320 * 240 * 3 / 2, 99))
  }, 40)`
  const command = [process.execPath, '-e', script, file]
  const source = { type: 'exec', command, format: 'yuv420p', width: 320, height: 240 }
  const { app, cameraOk } = await startTestVision(t, { vision: { source } })
  const edges = await collect(app, topics.event, { name: 'camera_status_changed' })
  await cameraOk()
  writeFileSync(file, '')
  const lost = await edges.next({ within: 5_000 })
  assert.equal(lost.payload.camera_ok, false)
  assert.match(String(lost.payload.camera_error), /exited with code 3/)
  rmSync(file)
  const back = await edges.next({ within: 15_000 })
  assert.deepEqual(back.payload, { camera_ok: true, camera_error: null })
  assert.equal(edges.all.length, 2)
})

test('camera_control {active} is left to other services', async (t) => {
  const { app, cameraOk } = await startTestVision(t)
  await cameraOk()
  const results = await collect(app, topics.commandResult)
  const command = {
    id: 'x',
    name: 'camera_control',
    params: { active: true },
    source: 'relay' as const,
    received_at: 1,
  }
  await app.publish(topics.command, command, { name: 'camera_control' })
  await assert.rejects(results.next({ within: 500 }), /nothing on/)
})

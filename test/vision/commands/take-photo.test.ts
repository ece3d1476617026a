import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EVENT_TYPES } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openJpeg } from '#test/vision/frames.ts'
import { startTestVision } from '#test/vision/start-vision.ts'

test('a photo is published as the protocol specifies, acknowledged, and stored', async (t) => {
  const { app, send, dataDir, cameraOk } = await startTestVision(t)
  const photos = await collect(app, topics.event, { name: 'photo' })
  await cameraOk()
  const before = Date.now()
  const { took, ...result } = await send('take_photo', { with_hud: false })
  const { payload } = await photos.next()
  t.diagnostic(`answered after ${took.toFixed(0)} ms`)
  assert.ok(EVENT_TYPES.photo?.fields.safeParse(payload).success)
  const { data, filename, timestamp, resolution, size_bytes, with_hud } = payload
  assert.deepEqual([resolution, with_hud], ['1280x720', false])
  assert.ok(Math.abs(Date.parse(String(timestamp)) - before) < 5_000)
  const bytes = Buffer.from(String(data), 'base64')
  assert.equal(bytes.length, size_bytes)
  using decoder = await openJpeg()
  using pixels = await decoder.decode(bytes)
  assert.deepEqual([pixels?.width, pixels?.height], [1280, 720])
  assert.deepEqual(
    [result.success, result.filename, result.kept, result.resolution],
    [true, filename, true, '1280x720'],
  )
  const path = join(dataDir, 'photos', String(filename))
  assert.deepEqual(readFileSync(path), bytes)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a photo has the camera’s size, and the overlay on request', async (t) => {
  const { app, send, cameraOk } = await startTestVision(t, { webrtc: { video: { width: 640, height: 360 } } })
  const photos = await collect(app, topics.event, { name: 'photo' })
  await cameraOk()
  using decoder = await openJpeg()
  const brightest: number[] = []
  for (const with_hud of [false, true]) {
    assert.equal((await send('take_photo', { with_hud })).success, true)
    const { payload } = await photos.next()
    assert.equal(payload.resolution, '1280x720')
    using pixels = await decoder.decode(Buffer.from(String(payload.data), 'base64'))
    assert.ok(pixels)
    const { y, strideY } = planesOf(pixels)
    // where the clock is
    const corner = Array.from({ length: 20 }, (_, row) =>
      y.subarray((685 + row) * strideY + 10, (685 + row) * strideY + 300),
    )
    brightest.push(Math.max(...corner.flatMap((row) => [...row])))
  }
  assert.ok((brightest[1] ?? 0) - (brightest[0] ?? 0) > 40, `${brightest}`)
})

test('the newest photos stay, other files are left alone', async (t) => {
  const dataDir = temporaryFolder(t)
  const folder = join(dataDir, 'photos')
  mkdirSync(folder)
  writeFileSync(join(folder, 'holiday.jpg'), 'mine')
  for (let day = 1; day <= 5; day++)
    writeFileSync(join(folder, `photo-2026-01-0${day}T00-00-00.000Z.jpg`), 'old')
  const { send, cameraOk } = await startTestVision(t, { vision: { photos: { keep: 3 } }, dataDir })
  await cameraOk()
  const { filename } = await send('take_photo', {})
  assert.deepEqual(readdirSync(folder).sort(), [
    'holiday.jpg',
    'photo-2026-01-04T00-00-00.000Z.jpg',
    'photo-2026-01-05T00-00-00.000Z.jpg',
    filename,
  ])
})

test('a read-only folder loses the file, not the event', async (t) => {
  const dataDir = temporaryFolder(t)
  writeFileSync(join(dataDir, 'photos'), 'no folder')
  const { app, memory, send, cameraOk } = await startTestVision(t, { dataDir })
  const photos = await collect(app, topics.event, { name: 'photo' })
  await cameraOk()
  const { success, kept } = await send('take_photo', { with_hud: 'true' })
  assert.deepEqual([success, kept], [true, false])
  assert.equal((await photos.next()).payload.with_hud, true)
  assert.ok(memory.logged.some(({ msg }) => msg === 'photo not stored'))
})

test('without a camera the photo is rejected with the reason; invalid parameters are rejected', async (t) => {
  const source = { type: 'exec', command: ['/no/such/camera'], format: 'mjpeg' }
  const { send, states } = await startTestVision(t, { vision: { source } })
  await states.next({ within: 8_000, where: ({ camera_error }) => /not found/.test(String(camera_error)) })
  const { success, error } = await send('take_photo', {})
  assert.equal(success, false)
  assert.match(String(error), /no camera: .*not found/)
  assert.match(String((await send('take_photo', { with_hud: 'maybe' })).error), /with_hud/)
})

/** As many as are carried out at the same time: far more than there are pictures in that time. */
const COMMANDS = 8

test('simultaneous photos get files of their own, also of the same frame', async (t) => {
  const { app, send, cameraOk, dataDir } = await startTestVision(t)
  const photos = await collect(app, topics.event, { name: 'photo' })
  await cameraOk()
  const results = await Promise.all(
    Array.from({ length: COMMANDS }, (_, i) => send('take_photo', { with_hud: i % 2 })),
  )
  assert.ok(results.every(({ success, kept }) => success && kept))
  const told = new Map<unknown, unknown>()
  for (let i = 0; i < COMMANDS; i++) {
    const { payload } = await photos.next()
    told.set(payload.filename, payload.size_bytes)
  }
  assert.equal(told.size, COMMANDS)
  const names = readdirSync(join(dataDir, 'photos'))
  assert.deepEqual(names.sort(), [...told.keys()].sort())
  for (const name of names) assert.equal(statSync(join(dataDir, 'photos', name)).size, told.get(name))
})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { markedCamera, running } from '#test/audio/marked-processes.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openJpeg } from '#test/vision/frames.ts'
import { startTestVision } from '#test/vision/start-vision.ts'

/** The camera's frames are bright all over, the placeholder is dark. */
async function isPlaceholder(jpeg: Buffer): Promise<boolean> {
  using decoder = await openJpeg()
  using pixels = await decoder.decode(jpeg)
  assert.ok(pixels)
  const { y } = planesOf(pixels)
  return (y[0] ?? 255) < 100
}

test('privacy ends the program of the camera; pictures are placeholders, a photo is refused; off opens it', async (t) => {
  const mark = randomUUID()
  const { app, send, states, cameraOk } = await startTestVision(t, { vision: { source: markedCamera(mark) } })
  const pictures = await collect(app, topics.frame)
  const picture = async () => {
    await app.publish(topics.frameRequest, {})
    return (await pictures.next({ within: 10_000 })).payload
  }
  await cameraOk()
  assert.equal(running(mark), 1)
  assert.equal(await isPlaceholder(await picture()), false)

  const { took, ...on } = await send('set_privacy', { enabled: true })
  const { id, name, ...facts } = on
  assert.deepEqual(facts, { success: true, enabled: true, until: null, stored: true, camera_closed: true })
  assert.equal(running(mark), 0)
  // one that was asked for by no client, in place of the last one
  assert.equal(await isPlaceholder((await pictures.next({ within: 10_000 })).payload), true)
  assert.equal(await isPlaceholder(await picture()), true)
  assert.match(String((await send('take_photo', {})).error), /no photo: privacy is on/)
  const other = { source: { type: 'synthetic' } }
  assert.match(String((await send('camera_control', other)).error), /privacy is on/)
  await states.next({ where: ({ privacy, camera_ok }) => privacy === true && camera_ok === false })

  assert.equal((await send('set_privacy', { enabled: false })).success, true)
  await states.next({ where: ({ privacy, camera_ok }) => privacy === false && camera_ok === true })
  assert.equal(running(mark), 1)
  await until(async () => !(await isPlaceholder(await picture())))
})

test('a photo that is being encoded when privacy begins is neither sent nor stored', async (t) => {
  const { app, send, dataDir, cameraOk } = await startTestVision(t)
  const photos = await collect(app, topics.event, { name: 'photo' })
  await cameraOk()
  const [photo, privacy] = await Promise.all([send('take_photo', {}), send('set_privacy', { enabled: true })])
  assert.equal(privacy.success, true)
  assert.match(String(photo.error), /no photo: privacy is on/)
  assert.deepEqual([photos.all.length, existsSync(join(dataDir, 'photos'))], [0, false])
})

test('a restarted vision opens no camera while privacy is on', async (t) => {
  const mark = randomUUID()
  const dataDir = temporaryFolder(t)
  const vision = { source: markedCamera(mark) }
  const first = await startTestVision(t, { vision, dataDir })
  await first.cameraOk()
  await first.send('set_privacy', { enabled: true })
  const again = await startTestVision(t, { vision, dataDir })
  await again.states.next({ where: ({ privacy, camera_ok }) => privacy === true && camera_ok === false })
  assert.equal(running(mark), 0)
})

test('parameters are checked', async (t) => {
  const { send } = await startTestVision(t, { vision: { source: { type: 'synthetic' } } })
  const wrong: [object, RegExp][] = [
    [{}, /enabled/],
    [{ enabled: 'yes' }, /enabled/],
    [{ enabled: true, until: 1 }, /until: is in the past/],
    [{ enabled: true, until: 'tomorrow' }, /until/],
    [{ enabled: true, until: 1e300 }, /until/],
  ]
  for (const [params, error] of wrong) {
    const answer = await send('set_privacy', params as Record<string, unknown>)
    assert.match(String(answer.error), error, JSON.stringify(params))
  }
  const until = new Date(Date.now() + 60_000).toISOString()
  assert.equal((await send('set_privacy', { enabled: true, until })).until, Date.parse(until))
})

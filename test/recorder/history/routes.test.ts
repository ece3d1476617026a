import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { clipOf, START } from './clips.ts'
import { ask } from './request.ts'
import { serving } from './serving.ts'

const JPEG = Buffer.from([0xff, 0xd8, 0xff])

test('the list has clips and what came by the bus, filtered and in pages', async (t) => {
  const { clips, bus, get } = await serving(t)
  clips.add(clipOf(1))
  clips.add(clipOf(2))
  bus.deliver(topics.event, { loudness: 3 }, { name: 'bark' })
  const all = (await get('items')).json()
  assert.deepEqual(
    all.items?.map(({ type }) => type),
    ['event', 'clip', 'clip'],
  )
  assert.equal(all.total, 3)
  const one = (await get('items?types=clip&limit=1')).json()
  assert.equal(one.items?.[0]?.id, 'clip-2')
  const next = (await get(`items?types=clip&limit=1&cursor=${one.next}`)).json()
  assert.deepEqual([next.items?.[0]?.id, next.next, next.total], ['clip-1', null, undefined])
  assert.equal((await get(`items?from=${START + 1_500}&to=${START + 9_000}`)).json().items?.length, 1)
  for (const bad of ['limit=0', 'limit=9999', 'cursor=x', 'types=all', 'from=-1', 'unknown=1', 'label='])
    assert.equal((await get(`items?${bad}`)).status, 400, bad)
  assert.deepEqual((await get('filters')).json().labels, ['dog'])
})

test('a clip is sent whole, in ranges, and as a download', async (t) => {
  const { clips, get, socket } = await serving(t)
  const { file } = clips.add(clipOf(1))
  const bytes = readFileSync(join(clips.folder, file))
  const whole = await get('clips/clip-1.mp4')
  assert.deepEqual([whole.status, whole.headers['accept-ranges']], [200, 'bytes'])
  assert.ok(whole.body.equals(bytes))
  const part = await get('clips/clip-1.mp4', { range: 'bytes=100-199' })
  assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 100-199/${bytes.length}`])
  assert.ok(part.body.equals(bytes.subarray(100, 200)))
  assert.equal((await get('clips/clip-1.mp4', { range: `bytes=${bytes.length}-` })).status, 416)
  const etag = String(whole.headers.etag)
  assert.equal((await get('clips/clip-1.mp4', { 'if-none-match': etag })).status, 304)
  assert.equal((await get('clips/clip-1.mp4', { range: 'bytes=0-1', 'if-range': '"old"' })).status, 200)
  assert.equal((await get('clips/clip-1.mp4', { range: 'bytes=0-1', 'if-range': etag })).status, 206)
  const head = await ask({ socket }, '/history/clips/clip-1.mp4', { method: 'HEAD' })
  assert.deepEqual([head.body.length, head.headers['content-length']], [0, String(bytes.length)])
  const download = await get('clips/clip-1.mp4?download')
  assert.match(
    String(download.headers['content-disposition']),
    /^attachment; filename="wimz-2026-05-0\d-[\d-]+\.mp4"$/,
  )
})

test('a clip has pictures of its keyframes, kept once they are made', async (t) => {
  const { clips, get, dataDir } = await serving(t)
  clips.add(clipOf(1))
  const pictures = await Promise.all([0, 1, 4].map((n) => get(`clips/clip-1.jpg?n=${n}`)))
  for (const { status, headers, body } of pictures) {
    assert.deepEqual([status, headers['content-type']], [200, 'image/jpeg'])
    assert.ok(body.subarray(0, 3).equals(JPEG))
  }
  assert.ok(!pictures[0]?.body.equals(pictures[2]?.body ?? JPEG), 'the same picture for two times')
  assert.ok(statSync(join(dataDir, 'recorder/thumbnails/clip-1-0.jpg')).size > 1_000)
  const again = await get('clips/clip-1.jpg', { 'if-none-match': String(pictures[0]?.headers.etag) })
  assert.equal(again.status, 304)
  assert.equal((await get('clips/clip-1.jpg?n=5')).status, 400)
  assert.equal((await get('clips/clip-9.jpg')).status, 404)
  assert.equal((await get('tracks/none.jpg')).status, 404)
})

test('a favorite is one in the files; what is deleted is hidden, can be restored, and not while it is recorded', async (t) => {
  const { clips, get, change } = await serving(t)
  clips.add(clipOf(1))
  clips.add(clipOf(2, { complete: false }))
  assert.equal((await change('clip-1', { favorite: true })).status, 200)
  assert.equal(clips.get('clip-1')?.favorite, true)
  assert.equal((await get('items?favorite=true')).json().total, 1)
  assert.equal((await change('clip-1', { deleted: true })).status, 200)
  assert.equal((await get('items')).json().total, 1)
  assert.ok(clips.get('clip-1'), 'deleted before the time to undo it was over')
  assert.equal((await change('clip-1', { deleted: false })).status, 200)
  assert.equal((await get('items')).json().total, 2)
  assert.equal((await change('clip-2', { deleted: true })).status, 409)
  assert.equal((await change('clip-9', { deleted: true })).status, 404)
  for (const bad of [{}, { deleted: 1 }, { favorite: true, deleted: true }, 'x', null])
    assert.equal((await change('clip-1', bad)).status, 400)
  assert.equal((await change('clip-1', { favorite: 'x'.repeat(9_000) })).status, 413)
})

test('a clip that was watched a moment ago is not deleted', async (t) => {
  const { clips, get } = await serving(t)
  clips.add(clipOf(1))
  await get('clips/clip-1.mp4', { range: 'bytes=0-99' })
  assert.equal(await clips.remove('clip-1'), false)
})

test('nothing but the history is served', async (t) => {
  const { get, socket } = await serving(t)
  for (const path of [
    '',
    'items/x',
    'clips/..%2f..%2fhistory.db',
    'clips/../history.db',
    'clips/%00.mp4',
    'clips/x.mp4',
  ])
    assert.equal((await get(path)).status, 404, path)
  assert.equal((await ask({ socket }, '/history/items', { method: 'DELETE' })).status, 404)
  assert.equal(statSync(socket).mode & 0o777, 0o600)
})

test('a path that is too long for a socket is served as well', async (t) => {
  const { get } = await serving(t, join(temporaryFolder(t), 'x'.repeat(120)))
  assert.equal((await get('items')).status, 200)
})

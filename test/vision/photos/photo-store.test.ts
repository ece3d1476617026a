import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PhotoStore } from '#services/vision/photos/photo-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const LIMITS = { keep: 3, max_mb: 1 }
const NOON = Date.UTC(2026, 10, 23, 12)
const DAY = 86_400_000

/** A photo of that time; resolves with its name. */
async function add(album: PhotoStore, time: number, bytes = 5): Promise<string> {
  const name = await album.nameFor(time)
  await album.add(name, Buffer.alloc(bytes))
  return name
}

/** The same after a new start. */
async function addAfterRestart(folder: string, time: number): Promise<string> {
  const album = new PhotoStore(folder, LIMITS)
  await album.tidy()
  return await add(album, time)
}

test('photos are readable for their owner only, whatever the umask', async (t) => {
  const before = process.umask(0)
  t.after(() => process.umask(before))
  const folder = join(temporaryFolder(t), 'photos')
  const name = await add(new PhotoStore(folder, LIMITS), NOON)
  assert.deepEqual([statSync(folder).mode & 0o777, statSync(join(folder, name)).mode & 0o777], [0o700, 0o600])
})

test('the newest photos stay when the clock has been set back', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new PhotoStore(folder, LIMITS)
  const taken: string[] = []
  for (const time of [NOON, NOON + DAY, NOON + 2 * DAY, NOON - 30 * DAY, NOON - 29 * DAY]) {
    taken.push(await add(album, time))
  }
  assert.deepEqual(readdirSync(folder).sort(), taken.slice(2).sort())
})

test('the newest photos stay across restarts with different clocks', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const taken: string[] = []
  for (const time of [NOON + 2 * DAY, NOON, NOON + DAY, NOON - 30 * DAY, NOON - 60 * DAY]) {
    taken.push(await addAfterRestart(folder, time))
  }
  assert.deepEqual(readdirSync(folder).sort(), taken.slice(2).sort())
})

test('a photo written while the clock was ahead does not stay the newest', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const ahead = await addAfterRestart(folder, NOON + 3_000 * DAY)
  const then = new Date(NOON + 3_000 * DAY)
  utimesSync(join(folder, ahead), then, then)
  const names: string[] = []
  for (const day of [0, 1, 2]) names.push(await addAfterRestart(folder, NOON + day * DAY))
  assert.deepEqual(readdirSync(folder).sort(), names.sort())
})

test('deleted photos make room', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new PhotoStore(folder, LIMITS)
  const old = await add(album, NOON)
  for (const day of [1, 2]) rmSync(join(folder, await add(album, NOON + day * DAY)))
  const fresh = [await add(album, NOON + 3 * DAY), await add(album, NOON + 4 * DAY)]
  assert.deepEqual(readdirSync(folder).sort(), [old, ...fresh])
})

test('the size limit counts from the newest photo', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new PhotoStore(folder, LIMITS)
  const names: string[] = []
  for (const size of [100_000, 600_000, 600_000]) {
    names.push(await add(album, NOON, size))
  }
  assert.deepEqual(readdirSync(folder), names.slice(2))
})

test('photo names are unique on disk, in memory and across restarts', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new PhotoStore(folder, LIMITS)
  const names = ['photo-2026-11-23T12-00-00.000Z.jpg', 'photo-2026-11-23T12-00-00.000Z-2.jpg']
  const given = await Promise.all([album.nameFor(NOON), album.nameFor(NOON)])
  assert.deepEqual(new Set(given), new Set(names), 'whichever is first')
  await album.add(names[1] ?? '', Buffer.from('photo'))
  const next = new PhotoStore(folder, LIMITS)
  assert.equal(await next.nameFor(NOON), names[0])
  assert.equal(await next.nameFor(NOON), 'photo-2026-11-23T12-00-00.000Z-3.jpg')
})

test('incomplete photos of a crash are deleted at the start, other files stay', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  mkdirSync(folder)
  const whole = 'photo-2026-01-01T00-00-00.000Z.jpg'
  for (const name of [whole, `${whole}.part`, 'holiday.jpg.part']) writeFileSync(join(folder, name), 'x')
  await new PhotoStore(folder, LIMITS).tidy()
  assert.deepEqual(readdirSync(folder).sort(), ['holiday.jpg.part', whole].sort())
})

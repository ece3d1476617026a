import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Album } from '#services/vision/photos/album.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const LIMITS = { keep: 3, max_mb: 1 }
const NOON = Date.UTC(2026, 10, 23, 12)
const DAY = 86_400_000

test('the newest photos stay when the clock has been set back: what is new is what came last', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new Album(folder, LIMITS)
  const taken: string[] = []
  for (const time of [NOON, NOON + DAY, NOON + 2 * DAY, NOON - 30 * DAY, NOON - 29 * DAY]) {
    const name = await album.nameFor(time)
    await album.add(name, Buffer.from('photo'))
    taken.push(name)
  }
  assert.deepEqual(readdirSync(folder).sort(), taken.slice(2).sort())
})

test('so many MiB at most, counted from the newest', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new Album(folder, LIMITS)
  const names: string[] = []
  for (const size of [100_000, 600_000, 600_000]) {
    const name = await album.nameFor(NOON)
    await album.add(name, Buffer.alloc(size))
    names.push(name)
  }
  assert.deepEqual(readdirSync(folder), names.slice(2))
})

test('no two photos have one name, neither on the disk nor in memory nor in another life', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  const album = new Album(folder, LIMITS)
  const first = await Promise.all([album.nameFor(NOON), album.nameFor(NOON)])
  assert.deepEqual(first, ['photo-2026-11-23T12-00-00.000Z.jpg', 'photo-2026-11-23T12-00-00.000Z-2.jpg'])
  await album.add(first[1] as string, Buffer.from('photo'))
  const next = new Album(folder, LIMITS)
  assert.equal(await next.nameFor(NOON), first[0])
  assert.equal(await next.nameFor(NOON), 'photo-2026-11-23T12-00-00.000Z-3.jpg')
})

test('what a crash has left half written is removed at the start, strangers’ files stay', async (t) => {
  const folder = join(temporaryFolder(t), 'photos')
  mkdirSync(folder)
  const whole = 'photo-2026-01-01T00-00-00.000Z.jpg'
  for (const name of [whole, `${whole}.part`, 'holiday.jpg.part']) writeFileSync(join(folder, name), 'x')
  await new Album(folder, LIMITS).tidy()
  assert.deepEqual(readdirSync(folder).sort(), ['holiday.jpg.part', whole].sort())
})

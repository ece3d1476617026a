import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { RecorderSection } from '#services/recorder/config.ts'
import { GrowingFile } from '#services/recorder/mp4/growing-file.ts'
import { DiskGuard } from '#services/recorder/store/disk-guard.ts'
import { FileClipStore } from '#services/recorder/store/file-clip-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openSmallDisk, withoutSmallDisks } from '#test/helpers/small-disk.ts'

const skip = withoutSmallDisks()
const log = createLogger('test', { write: () => {} })
const PIECE = 64 * 1024

test('on a full disk a file ends with its last whole piece, and takes no more', { skip }, async (t) => {
  const disk = openSmallDisk(t, '1m')
  const path = join(disk.outside, 'movie.mp4')
  const file = await GrowingFile.create(path, 0)
  const failed = Promise.withResolvers<unknown>()
  file.on('failed', failed.resolve)
  let n = 0
  while (!file.failed && n < 100) {
    file.append(Buffer.alloc(PIECE, n++))
    await until(() => file.idle)
  }
  assert.equal(((await failed.promise) as NodeJS.ErrnoException).code, 'ENOSPC')
  assert.equal(file.append(Buffer.alloc(1)), false)
  await file.finish([{ at: 0, data: Buffer.from('not written') }])
  const content = readFileSync(path)
  assert.equal(content.length % PIECE, 0)
  assert.ok(content.length > 0)
  for (let at = 0; at < content.length; at += PIECE) assert.equal(content[at], at / PIECE)
})

async function clipsOf1MiB(store: FileClipStore, count: number): Promise<string[]> {
  const clips: string[] = []
  for (let n = 1; n <= count; n++) {
    const id = `2026-11-29T00-00-0${n}.000Z-000${n}`
    const clip = {
      ...{ id, sequence: store.nextSequence(), file: `${id}.mp4`, startedAt: Date.now(), durationMs: 1_000 },
      ...{
        reasons: [],
        bytes: 1024 * 1024,
        width: 16,
        height: 16,
        hasAudio: false,
        complete: false,
        gaps: [],
      },
    }
    await store.begin(clip)
    const file = await GrowingFile.create(join(store.folder, clip.file), 0)
    file.append(Buffer.alloc(1024 * 1024))
    await file.finish([])
    await store.finish({ ...clip, complete: true })
    clips.push(id)
  }
  return clips
}

test('when space runs out clips go, the oldest first; then recording stops until there is space', {
  skip,
}, async (t) => {
  const disk = openSmallDisk(t, '8m')
  const store = await FileClipStore.open(join(disk.outside, 'clips'), log)
  const clips = await clipsOf1MiB(store, 3)
  const rules = RecorderSection.parse({ retention: { min_free_mb: 2 } })
  await using guard = new DiskGuard({ store, rules, log })
  const seen: string[] = []
  guard.on('full', (reason) => seen.push(reason))
  guard.on('free', () => seen.push('free'))
  await guard.check()
  assert.deepEqual([seen, store.list().length], [[], 3])
  // watched: it stays
  using _watched = store.watch(clips[0] ?? '')
  disk.fill()
  await guard.check()
  assert.deepEqual(
    store.list().map(({ id }) => id),
    [clips[0]],
  )
  assert.equal(seen[0], 'disk full')
  disk.free()
  await guard.check()
  assert.equal(seen.at(-1), 'free')
})

test('clips that are watched, and a favorite of this moment, do not keep others from making space', {
  skip,
}, async (t) => {
  const disk = openSmallDisk(t, '8m')
  const store = await FileClipStore.open(join(disk.outside, 'clips'), log)
  const [first = '', second = '', third = ''] = await clipsOf1MiB(store, 3)
  // less than a clip is needed
  const rules = RecorderSection.parse({ retention: { min_free_mb: 4 } })
  await using guard = new DiskGuard({ store, rules, log })
  using _watched = store.watch(first)
  const remove = store.remove.bind(store)
  store.remove = async (id) => {
    const clip = store.get(second)
    if (clip && !clip.favorite) await store.change({ ...clip, favorite: true })
    return await remove(id)
  }
  await guard.check()
  assert.deepEqual(
    store.list().map(({ id }) => id),
    [first, second],
  )
  assert.equal(store.get(third), undefined)
})

test('after a kill the store repairs or removes what was being recorded', async (t) => {
  const folder = temporaryFolder(t)
  const store = await FileClipStore.open(folder, log)
  const id = '2026-11-29T00-00-01.000Z-0001'
  const clip = {
    ...{ id, sequence: store.nextSequence(), file: `${id}.mp4`, startedAt: Date.now(), durationMs: 0 },
    ...{ reasons: [], bytes: 0, width: 16, height: 16, hasAudio: false, complete: false, gaps: [] },
  }
  await store.begin(clip)
  // killed before its first fragment
  const after = await FileClipStore.open(folder, log)
  assert.deepEqual(after.list(), [])
  // a side-car that names another file
  writeFileSync(join(folder, 'precious.mp4'), 'precious')
  writeFileSync(join(folder, `${id}.json`), JSON.stringify({ ...clip, file: 'precious.mp4', complete: true }))
  await FileClipStore.open(folder, log)
  assert.ok(existsSync(join(folder, 'precious.mp4')))
})

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { RecorderSection } from '#services/recorder/config.ts'
import { DiskGuard } from '#services/recorder/store/disk-guard.ts'
import { FileClipStore } from '#services/recorder/store/file-clip-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const log = createLogger('test', { write: () => {} })

test('a disk that has space and takes no writes is tried less and less often', async (t) => {
  const store = await FileClipStore.open(temporaryFolder(t), log)
  const rules = RecorderSection.parse({ retention: { min_free_mb: 1 } })
  let now = 0
  await using guard = new DiskGuard({ store, rules, log, clock: () => now })
  const stops: number[] = []
  guard.on('full', () => stops.push(now / 1_000))
  guard.on('free', () => guard.writeFailed(Object.assign(new Error('read-only'), { code: 'EROFS' })))
  guard.writeFailed(new Error('read-only'))
  for (; now < 3_600_000; now += 10_000) await guard.check()
  assert.deepEqual(stops, [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030])
})

test('a disk that works again for long is tried again soon', async (t) => {
  const store = await FileClipStore.open(temporaryFolder(t), log)
  const rules = RecorderSection.parse({ retention: { min_free_mb: 1 } })
  let now = 0
  await using guard = new DiskGuard({ store, rules, log, clock: () => now })
  const waits: number[] = []
  for (const at of [0, 100_000, 2_000_000]) {
    now = at
    guard.writeFailed(new Error('slow'))
    let isFree = false
    guard.once('free', () => {
      isFree = true
    })
    while (!isFree) {
      now += 1_000
      await guard.check()
    }
    waits.push((now - at) / 1_000)
  }
  assert.deepEqual(waits, [10, 20, 10])
})

test('a clip that cannot be deleted stays, and others go in its place', async (t) => {
  const store = await FileClipStore.open(temporaryFolder(t), log)
  const ids = [1, 2, 3].map((n) => `2026-11-29T00-00-0${n}.000Z-000${n}`)
  for (const id of ids) {
    await store.begin({
      ...{ id, sequence: store.nextSequence(), file: `${id}.mp4`, startedAt: Date.now(), durationMs: 1_000 },
      ...{
        reasons: [],
        bytes: 1024 * 1024,
        width: 16,
        height: 16,
        hasAudio: false,
        complete: true,
        gaps: [],
      },
    })
  }
  // not a file
  mkdirSync(join(store.folder, `${ids[0]}.mp4`))
  const rules = RecorderSection.parse({ retention: { max_mb: 1, min_free_mb: 1 } })
  await using guard = new DiskGuard({ store, rules, log })
  await guard.check()
  const left = store.list().map(({ id }) => id)
  assert.deepEqual(left, [ids[0]])
})

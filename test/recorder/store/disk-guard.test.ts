import assert from 'node:assert/strict'
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

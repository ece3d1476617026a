import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import { createLogger } from '#lib/logger.ts'
import { createPrivacy, privacyFile, readPrivacy } from '#lib/media/privacy.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const log = createLogger('test', { write: () => undefined })

test('without a file there is no state; one that cannot be read means on', async (t) => {
  const dataDir = temporaryFolder(t)
  const read = () => readPrivacy(privacyFile(dataDir, log), log)
  assert.equal(await read(), undefined)
  mkdirSync(join(dataDir, 'privacy/state.json'), { recursive: true })
  assert.equal((await read())?.enabled, true)
})

test('a service that may not follow privacy keeps its device closed', async (t) => {
  const bus = { subscribe: () => Promise.reject(new Error('denied')) } as unknown as Bus
  const changes: boolean[] = []
  const onChanged = () => void changes.push(privacy.enabled)
  using privacy = createPrivacy({ bus, log, dataDir: temporaryFolder(t), onChanged })
  await privacy.start()
  assert.deepEqual(changes, [true])
})

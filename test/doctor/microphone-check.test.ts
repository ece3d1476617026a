import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AudioSection } from '#services/audio/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { checkMicrophone } from '../../doctor/microphone-check.ts'

test('the microphone stays closed while the stored privacy is on', async (t) => {
  const data_dir = temporaryFolder(t)
  const opened = join(data_dir, 'opened')
  mkdirSync(join(data_dir, 'privacy'))
  const stored = { enabled: true, manual: null, saved_at: Date.now() }
  writeFileSync(join(data_dir, 'privacy/state.json'), JSON.stringify(stored))
  const audio = AudioSection.parse({ source: { type: 'exec', command: ['touch', opened] } })
  const nothing = { bus: undefined, brokerDown: true, services: new Map(), link: undefined, iceServers: [] }
  const [result] = await checkMicrophone({ ...nothing, config: { audio, data_dir } })
  assert.deepEqual([result?.status, result?.message], ['ok', 'exec: closed, privacy is on'])
  assert.equal(existsSync(opened), false)
})

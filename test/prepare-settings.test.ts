import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const execute = promisify(execFile)

test('the first start creates the settings, later ones keep them and name new and gone keys', async (t) => {
  const folder = temporaryFolder(t)
  const prepare = async () => {
    const args = ['prepare-settings.ts', 'configs', folder, String(process.getgid?.() ?? 0)]
    return (await execute(process.execPath, args, { cwd: PROJECT_ROOT })).stdout
  }
  const [file, known] = [join(folder, 'robot.yaml'), join(folder, '.keys.json')]
  assert.match(await prepare(), /^created .*robot\.yaml\n$/)
  assert.equal(readFileSync(file, 'utf8'), readFileSync(join(PROJECT_ROOT, 'configs/robot.yaml'), 'utf8'))
  writeFileSync(file, 'data_dir: ./mine\n')
  assert.equal(await prepare(), '')
  const { keys } = JSON.parse(readFileSync(known, 'utf8')) as { keys: string[] }
  assert.ok(keys.includes('vision.detector.max_fps'))
  const older = [...keys.filter((key) => key !== 'vision.detector.max_fps'), 'vision.old_key']
  writeFileSync(known, JSON.stringify({ version: '0.0.9', keys: older }))
  const report = await prepare()
  assert.match(report, /new keys since 0\.0\.9: vision\.detector\.max_fps/)
  assert.match(report, /gone since 0\.0\.9, .*: vision\.old_key/)
  assert.equal(await prepare(), '')
  assert.equal(readFileSync(file, 'utf8'), 'data_dir: ./mine\n')
})

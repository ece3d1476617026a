import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '#test/helpers/folder.ts'

const CHILD = fileURLToPath(new URL('telemetry-child.ts', import.meta.url))

test('ONNX Runtime sends no telemetry', async (t) => {
  const home = temporaryFolder(t)
  // without CI and the like, which switch it off as well
  const env = { PATH: process.env.PATH, HOME: home }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [CHILD], { env, timeout: 120_000 })
  assert.equal(stdout, 'detected\n')
  assert.doesNotMatch(stderr, /telemetry/i)
  // its device id and what waits to be sent would lie in .cache
  assert.deepEqual(readdirSync(home), [])
})

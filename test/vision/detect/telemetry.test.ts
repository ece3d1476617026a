import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeOnnx } from '#dev/harness/onnx-writer.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { images, NAMED, v8 } from './known-models.ts'

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

test('ONNX Runtime writes nothing past the logger, and its errors are one line', async (t) => {
  const path = join(temporaryFolder(t), 'broken.onnx')
  // a graph that fails in the middle of an inference, which the runtime also logs by itself
  const draft = { inputs: [images()], outputs: [v8], metadata: { names: NAMED } }
  writeFileSync(path, writeOnnx(draft).subarray(0, -200))
  const env = { PATH: process.env.PATH, MODEL: path }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [CHILD], { env, timeout: 120_000 })
  assert.match(stdout, /^failed: [^\n]+\n$/)
  assert.equal(stderr, '')
})

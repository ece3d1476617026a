import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { without } from '#test/helpers/tools.ts'
import { rounds } from '#test/helpers/volume.ts'

test('after random faults the picture and commands come back, no event is lost, the motors stand', {
  skip: without('chromium', 'ffmpeg'),
}, async (t) => {
  const minutes = rounds({ merge: 2, night: 15 })
  const args = ['test/chaos/main.ts', '--minutes', String(minutes), '--seed', '1', '--no-docs']
  const chaos = spawn(process.execPath, args, {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => chaos.kill())
  const exited = once(chaos, 'exit')
  const output = await text(chaos.stdout)
  for (const line of output.trim().split('\n')) t.diagnostic(line)
  const [code] = await exited
  assert.equal(code, 0, output)
})

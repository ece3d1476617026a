import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const execute = promisify(execFile)

test('the log is for people on a terminal, and JSON lines anywhere else', {
  skip: without('script'),
}, async (t) => {
  const path = join(temporaryFolder(t), 'wrong.yaml')
  writeFileSync(path, stringify({ webrtc: { max_connections: 99 } }))
  const command = [process.execPath, 'main.ts', '--config', path]
  // a config that is wrong ends it at once, with 78
  const run = (program: string, args: string[]) =>
    execute(program, args, { cwd: PROJECT_ROOT, timeout: 30_000 }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    )
  const terminal = await run('script', ['-qec', command.join(' '), '/dev/null'])
  assert.match(terminal, /supervisor: bad configuration: .*max_connections/)
  assert.doesNotMatch(terminal, /^\{/m)
  const [line = ''] = (await run(process.execPath, command.slice(1))).trim().split('\n')
  assert.match(JSON.parse(line).msg, /bad configuration: .*max_connections/)
})

test('npm start prints no warning of npm itself', { timeout: 120_000 }, async (t) => {
  const path = join(temporaryFolder(t), 'wrong.yaml')
  writeFileSync(path, 'visoin: {}')
  const { stdout, stderr } = await execute('npm', ['start', '--', '--config', path], {
    cwd: PROJECT_ROOT,
    timeout: 110_000,
    // one of the npm that runs the tests
    env: { ...process.env, npm_config_loglevel: undefined },
  }).catch((err: { stdout: string; stderr: string }) => err)
  assert.match(stdout, /visoin: unknown section/)
  assert.doesNotMatch(stdout + stderr, /npm warn|EBADENGINE|Unknown (project|user|env) config/i)
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

/** A service with a config that it rejects, as in a container. */
async function startWithBadConfig(t: TestContext) {
  const folder = temporaryFolder(t)
  const [config, heartbeat] = [join(folder, 'robot.yaml'), join(folder, 'heartbeat')]
  writeFileSync(config, 'unknown_section: {}\n')
  const script = join(PROJECT_ROOT, 'test/lib/process/notify-service.ts')
  const child = spawn(process.execPath, [script, '--config', config], {
    env: { ...process.env, WIMZ_BAD_CONFIG: 'wait', WIMZ_HEARTBEAT: heartbeat },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  const state = () => {
    try {
      return readFileSync(heartbeat, 'utf8').trim().split(' ')[1]
    } catch {
      return undefined
    }
  }
  await until(() => state() === 'bad-config', { deadline: 30_000, show: state })
  assert.equal(child.exitCode, null)
  return { child, config }
}

test('in a container a bad config is no restart loop: the service waits until its file has changed', async (t) => {
  const { child, config } = await startWithBadConfig(t)
  const exited = once(child, 'exit')
  writeFileSync(config, '{}\n')
  assert.deepEqual(await exited, [78, null])
})

test('a service that waits for its config still stops at once', async (t) => {
  const { child } = await startWithBadConfig(t)
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [78, null])
})

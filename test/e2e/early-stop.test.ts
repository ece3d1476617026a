import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

/** From the first line of the log, ms: before, between and after the starts of the stages. */
const MOMENTS = [0, 200, 400, 600, 900]
/** It must have ended long before. */
const PATIENCE = 30_000

async function startSupervisor(
  t: TestContext,
  { cloud, relayUrl = '' }: { cloud: object; relayUrl?: string },
) {
  const [port = 0] = await freePorts(1)
  const folder = temporaryFolder(t)
  const path = join(folder, 'robot.yaml')
  const config = {
    cloud,
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    webrtc: { stun_servers: [] },
    bus: { url: `mqtt://127.0.0.1:${port}` },
    broker: { port },
    data_dir: folder,
  }
  writeFileSync(path, stringify(config))
  const supervisor = spawn(process.execPath, ['main.ts', '--config', path], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, RELAY_URL: relayUrl, WIMZ_CONFIG: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closeAfter(t, () => supervisor.kill('SIGKILL'))
  const ended = once(supervisor, 'exit', { signal: AbortSignal.timeout(PATIENCE) })
  await once(supervisor.stdout, 'data')
  supervisor.stdout.resume()
  return { supervisor, ended }
}

for (const moment of MOMENTS) {
  test(`a stop ${moment} ms after the start ends everything, and is clean`, async (t) => {
    const { supervisor, ended } = await startSupervisor(t, { cloud: { enabled: false } })
    await sleep(moment)
    supervisor.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })
}

test('a service that finds its config bad ends everything, those that would have come after it, too', async (t) => {
  const cloud = { device_id: 'x', device_secret: 'unit-test-secret' }
  const { ended } = await startSupervisor(t, { cloud, relayUrl: 'http://no-relay.example' })
  assert.deepEqual(await ended, [78, null])
})

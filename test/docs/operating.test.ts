import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { freePorts } from '#dev/harness/ports.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { OutboxStore } from '#services/relay-bridge/outbox/outbox-store.ts'
import { projectAt, runScript, shellBlocks } from '#test/helpers/document.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const [doctor, backUp, restore, ...more] = shellBlocks('docs/operating.md', 'test/docs/operating.test.ts')
assert.ok(doctor && backUp && restore && more.length === 0)

test('the doctor of docs/operating.md says of a robot that does not run what to do', async (t) => {
  const folder = temporaryFolder(t)
  projectAt(folder)
  const [port] = await freePorts(1)
  const config = {
    cloud: { enabled: false },
    webrtc: { enabled: false },
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    bus: { url: `mqtt://127.0.0.1:${port}` },
    data_dir: join(folder, 'data'),
  }
  writeFileSync(join(folder, 'configs/robot.yaml'), stringify(config))
  const { code, output } = await runScript(doctor.script, { cwd: folder })
  assert.equal(code, 1, output)
  assert.match(output, /^ok {7}config: /m)
  assert.match(output, /^FAILURE {2}bus: .* → start the robot/m)
  // a machine that is busy testing may paint too few pictures a second, and is told so
  assert.match(output, /^(ok {7}|WARNING {2})camera: synthetic: 1280x720/m)
})

test('what docs/operating.md backs up comes back: events, passwords, settings, with their rights', async (t) => {
  const folder = temporaryFolder(t)
  projectAt(folder)
  const data = join(folder, 'data')
  mkdirSync(data, { recursive: true })
  {
    using store = OutboxStore.open(join(data, 'outbox.db')).store
    store.append('bark', '{"event":"bark"}')
  }
  const password = ensurePassword(data, 'vision')
  mkdirSync(join(data, 'compile-cache'))
  writeFileSync(join(data, 'compile-cache/code'), 'x')
  writeFileSync(join(folder, 'configs/.env'), 'DEVICE_ID=a\n', { mode: 0o600 })

  const saved = await runScript(backUp.script, { cwd: folder })
  assert.equal(saved.code, 0, saved.output)
  assert.equal(statSync(join(folder, 'wimz-backup.tar.gz')).mode & 0o077, 0)
  writeFileSync(join(data, 'broker/vision.password'), 'another\n')
  writeFileSync(join(data, 'outbox.db'), 'damaged')
  writeFileSync(join(folder, 'configs/.env'), '')

  const restored = await runScript(restore.script, { cwd: folder })
  assert.equal(restored.code, 0, restored.output)
  assert.equal(ensurePassword(data, 'vision'), password)
  assert.equal(statSync(join(data, 'broker/vision.password')).mode & 0o777, 0o600)
  assert.equal(readFileSync(join(folder, 'configs/.env'), 'utf8'), 'DEVICE_ID=a\n')
  assert.ok(!existsSync(join(data, 'compile-cache')))
  const again = OutboxStore.open(join(data, 'outbox.db'))
  assert.equal(again.damaged, undefined)
  using store = again.store
  assert.equal(store.counts.depth, 1)
})

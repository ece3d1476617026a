import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { until } from '#dev/harness/until.ts'
import { rehearsedMachine } from './rehearsed-machine.ts'

/** Code that a version of the program starts with, in place of what it should do. */
const THROWS = "throw new Error('this version does not start')\n"
const HANGS = 'while (true) {}\n'

test('an update goes back by itself when the new version is not healthy', { timeout: 600_000 }, async (t) => {
  await using machine = await rehearsedMachine()
  const first = machine.version('1.0.0')
  const installed = await machine.run(join(first, 'deploy/install.sh'))
  assert.equal(installed.code, 0, installed.output)
  assert.equal(await machine.installed(), '1.0.0')

  await t.test('a version that works is kept', async () => {
    const { code, output } = await machine.run('wimz', 'update', machine.version('1.1.0'))
    assert.equal(code, 0, output)
    assert.equal(await machine.installed(), '1.1.0')
    const status = await machine.run('wimz', 'status')
    assert.match(status.output, /^version +1\.1\.0-/m)
    assert.match(status.output, /^before +1\.0\.0-/m)
  })

  const BROKEN: Record<string, (folder: string) => void> = {
    'that does not start': (folder) => writeFileSync(join(folder, 'services/vision/main.ts'), THROWS),
    'that hangs': (folder) => writeFileSync(join(folder, 'services/webrtc/main.ts'), HANGS),
    'whose model is missing': (folder) => rmSync(join(folder, 'models/ssdlite-mobilenet-v2-300.onnx')),
  }
  for (const [fault, change] of Object.entries(BROKEN)) {
    await t.test(`a version ${fault}`, async () => {
      const { code, output } = await machine.run('wimz', 'update', machine.version('1.2.0', change))
      assert.equal(code, 75, output)
      assert.match(output, /not healthy after 40 s: /)
      assert.match(output, /not updated: the version before runs/)
      assert.equal(await machine.installed(), '1.1.0')
      const kept = readdirSync(join(machine.root, 'opt/wimz-releases')).sort().join(' ')
      assert.match(kept, /^1\.0\.0-\S+ 1\.1\.0-\S+ before update\.log$/)
      rmSync(join(machine.root, 'versions/1.2.0'), { recursive: true })
    })
  }

  await t.test('a power cut during the trial: the next boot returns to the version before', async () => {
    const update = machine.start('update', machine.version('1.3.0'))
    await until(async () => (await machine.installed()) === '1.3.0', { deadline: 60_000, every: 100 })
    process.kill(-(update.pid ?? 0), 'SIGKILL')
    const { code, output } = await machine.run('wimz', 'resume')
    assert.equal(code, 0, output)
    assert.equal(await machine.installed(), '1.1.0')
  })

  await t.test('rollback returns to the version before, and again to the newer one', async () => {
    assert.equal((await machine.run('wimz', 'rollback')).code, 0)
    assert.equal(await machine.installed(), '1.0.0')
    assert.equal((await machine.run('wimz', 'rollback')).code, 0)
    assert.equal(await machine.installed(), '1.1.0')
  })

  await t.test('a backup comes back', async () => {
    const archive = join(machine.root, 'saved.tar.gz')
    assert.equal((await machine.run('wimz', 'backup', archive)).code, 0)
    rmSync(join(machine.root, 'etc/wimz/robot.yaml'))
    const { code, output } = await machine.run('wimz', 'restore', archive)
    assert.equal(code, 0, output)
    assert.ok(existsSync(join(machine.root, 'etc/wimz/robot.yaml')))
  })
})

test('wimz says what to do when there is no robot, no version, no archive', async () => {
  await using machine = await rehearsedMachine()
  const none = await machine.run('wimz', 'status')
  assert.equal(none.code, 66)
  assert.match(none.output, /Install it with deploy\/install\.sh/)
  const usage = await machine.run('wimz')
  assert.notEqual(usage.code, 0)
})

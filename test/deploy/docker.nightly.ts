import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { without } from '#test/helpers/tools.ts'
import { prepareDockerRobot } from '../image/docker-robot.ts'

const NOT_COPIED = ['.git', 'node_modules', 'data', 'settings', 'test', 'docs', 'bench']
/** A version that is not healthy is given up earlier than on a robot: three of them are tried. */
const WIMZ = `WIMZ_HEALTH_TIMEOUT=40 exec "$0" "$@" 2>&1`
const BROKEN: Record<string, { lacks: string; change: (folder: string) => void }> = {
  'that does not start': {
    lacks: 'service vision',
    change: (folder) =>
      writeFileSync(join(folder, 'services/vision/main.ts'), "throw new Error('no start')\n"),
  },
  'that hangs': {
    lacks: 'service webrtc',
    change: (folder) => writeFileSync(join(folder, 'services/webrtc/main.ts'), 'while (true) {}\n'),
  },
  'whose model is missing': {
    lacks: 'model',
    change: (folder) => rmSync(join(folder, 'models/ssdlite-mobilenet-v2-300.onnx')),
  },
}

test('wimz with Docker: status, an update that is kept, one that goes back, rollback, backup', {
  skip: without('debootstrap', 'docker-compose', 'dockerd'),
  timeout: 1_100_000,
}, async (t) => {
  const docker = await prepareDockerRobot(t, { files: ['configs'], source: { type: 'synthetic' } })
  if (typeof docker === 'string') return t.skip(docker)
  const { engine, folder, robot, configFile, compose } = docker
  const wimz = (...args: string[]) =>
    engine.run('sh', ['-c', WIMZ, join(PROJECT_ROOT, 'deploy/wimz'), ...args], { cwd: robot }).then(
      (output) => ({ code: 0, output }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, output: stdout }),
    )
  const installed = () => engine.run('docker', ['image', 'inspect', '--format', '{{.Id}}', 'wimz-robot'])
  const version = (name: string, change: (folder: string) => void) => {
    const copy = join(folder, name)
    const isCopied = (path: string) => !NOT_COPIED.some((part) => path === join(PROJECT_ROOT, part))
    cpSync(PROJECT_ROOT, copy, { recursive: true, filter: isCopied })
    change(copy)
    return copy
  }

  await compose('up', '-d', '--no-build')
  const first = await installed()

  await t.test('status', async () => {
    const { code, output } = await wimz('status')
    assert.equal(code, 0, output)
    assert.match(output, /wimztest_vision_1/)
  })
  const kept = version('kept', (copy) => writeFileSync(join(copy, 'LICENSE'), 'another version'))
  await t.test('a version that works is kept', async () => {
    const { code, output } = await wimz('update', kept)
    assert.equal(code, 0, output)
    assert.notEqual(await installed(), first)
  })
  const second = await installed()
  for (const [fault, { lacks, change }] of Object.entries(BROKEN)) {
    await t.test(`a version ${fault}`, async () => {
      const { code, output } = await wimz('update', version('broken', change))
      assert.equal(code, 75, output)
      assert.match(output, new RegExp(`not healthy after \\d+ s: .*${lacks}`))
      assert.equal(await installed(), second)
      const container = ['inspect', '--format', '{{.Image}}', 'wimztest_vision_1']
      assert.equal(await engine.run('docker', container), second)
      rmSync(join(folder, 'broken'), { recursive: true })
    })
  }
  await t.test('rollback', async () => {
    const { code, output } = await wimz('rollback')
    assert.equal(code, 0, output)
    assert.equal(await installed(), first)
  })
  await t.test('backup and restore', async () => {
    const archive = join(folder, 'saved.tar.gz')
    const saved = await wimz('backup', archive)
    assert.equal(saved.code, 0, saved.output)
    rmSync(configFile)
    const { code, output } = await wimz('restore', archive)
    assert.equal(code, 0, output)
    assert.match(readFileSync(configFile, 'utf8'), /synthetic/)
  })
})

import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseDocument } from 'yaml'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { parseDockerfile } from '../image/dockerfile.ts'
import { importBases, startEngine } from '../image/engine.ts'

const NOT_COPIED = ['.git', 'node_modules', 'data', 'settings', 'test', 'docs', 'bench']

test('wimz with Docker: status, an update that is kept, one that goes back, rollback, backup', {
  skip: without('debootstrap', 'docker-compose', 'dockerd'),
  timeout: 1_100_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-docker-'))
  closeAfter(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const engine = await startEngine(folder)
  if (typeof engine === 'string') return t.skip(engine)
  await using stack = new AsyncDisposableStack()
  stack.use(engine)
  await importBases(engine, parseDockerfile(readFileSync(join(PROJECT_ROOT, 'Dockerfile'), 'utf8')), folder)
  await engine.run('docker', ['build', '--network', 'host', '-t', 'wimz-robot:latest', PROJECT_ROOT])

  const robot = join(folder, 'robot')
  for (const name of ['compose.yaml', 'settings/.gitignore', 'configs']) {
    cpSync(join(PROJECT_ROOT, name), join(robot, name), { recursive: true })
  }
  cpSync(join(PROJECT_ROOT, '.env.example'), join(robot, '.env'))
  const compose = (...args: string[]) => engine.run('docker-compose', args, { cwd: robot })
  const wimz = (...args: string[]) =>
    engine
      .run('sh', ['-c', `exec "$0" "$@" 2>&1`, join(PROJECT_ROOT, 'deploy/wimz'), ...args], { cwd: robot })
      .then(
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

  await compose('up', '--no-build', 'settings')
  const file = join(robot, 'settings/robot.yaml')
  const config = parseDocument(readFileSync(file, 'utf8'))
  const [port] = await freePorts(1)
  config.setIn(['broker', 'port'], port)
  config.setIn(['bus', 'url'], `mqtt://127.0.0.1:${port}`)
  config.setIn(['vision', 'source'], { type: 'synthetic' })
  writeFileSync(file, config.toString())
  stack.defer(async () => void (await compose('kill')))
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
  await t.test('a version that does not start', async () => {
    const broken = version('broken', (copy) =>
      writeFileSync(
        join(copy, 'services/vision/main.ts'),
        "throw new Error('this version does not start')\n",
      ),
    )
    const { code, output } = await wimz('update', broken)
    assert.equal(code, 75, output)
    assert.match(output, /not healthy after \d+ s: .*service vision/)
    assert.equal(await installed(), second)
    const container = await engine.run('docker', ['inspect', '--format', '{{.Image}}', 'wimztest_vision_1'])
    assert.equal(container, second)
  })
  await t.test('rollback', async () => {
    const { code, output } = await wimz('rollback')
    assert.equal(code, 0, output)
    assert.equal(await installed(), first)
  })
  await t.test('backup and restore', async () => {
    const archive = join(folder, 'saved.tar.gz')
    const saved = await wimz('backup', archive)
    assert.equal(saved.code, 0, saved.output)
    rmSync(file)
    const { code, output } = await wimz('restore', archive)
    assert.equal(code, 0, output)
    assert.match(readFileSync(file, 'utf8'), /synthetic/)
  })
})

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { FakeRobot } from './fake-docker-robot.ts'

const VERBS = (robot: FakeRobot) => [
  ['update', join(robot.root, 'new')],
  ['rollback'],
  ['backup', 'second.tar.gz'],
  ['restore', robot.archive],
  ['resume'],
]

test('while wimz updates, every other verb that changes the robot is refused, and works afterwards', async (t) => {
  const robot = new FakeRobot(t)
  robot.tag('before', 'old')
  const update = await robot.hold(['update', join(robot.root, 'new')], 'build')
  for (const verb of VERBS(robot)) {
    const { code, output } = await robot.wimz(verb)
    assert.equal(code, 69, output)
    assert.match(
      output,
      /^wimz: another wimz is at work here, process \d+: sh \S+wimz update \S+new: run this again when it has ended\n$/,
    )
  }
  robot.release()
  assert.equal((await update.ended).code, 0)
  for (const verb of VERBS(robot)) {
    const { code, output } = await robot.wimz(verb)
    assert.equal(code, 0, output)
  }
})

test('a wimz that is killed, or loses its power, leaves no lock', async (t) => {
  const robot = new FakeRobot(t)
  const backup = await robot.hold(['backup', 'first.tar.gz'], 'stop')
  process.kill(-backup.pid, 'SIGKILL')
  await backup.ended
  assert.equal(robot.running, 'stopped')
  const { code, output } = await robot.wimz(['resume'])
  assert.equal(code, 0, output)
  assert.equal(robot.running, 'old')
  assert.ok(robot.isAtRest)
})

for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`after ${signal} a backup starts the services again, and an update goes back`, async (t) => {
    const robot = new FakeRobot(t)
    const backup = await robot.hold(['backup', 'first.tar.gz'], 'stop')
    process.kill(backup.pid, signal)
    robot.release()
    assert.equal((await backup.ended).code, code)
    assert.equal(robot.running, 'old')
    assert.ok(robot.isAtRest)

    const other = new FakeRobot(t)
    const update = await other.hold(['update', join(other.root, 'new')], 'trial')
    assert.equal(other.running, 'new')
    process.kill(update.pid, signal)
    other.release()
    const ended = await update.ended
    assert.equal(ended.code, code, ended.output)
    assert.match(ended.output, /interrupted: going back to the version before/)
    assert.deepEqual([other.running, other.tagged], ['old', 'old'])
    assert.ok(other.isAtRest)
  })
}

test('with systemd, install.sh and wimz exclude each other', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wimz-lock-'))
  closeAfter(t, () => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['bin', 'opt/wimz', 'etc/wimz']) mkdirSync(join(root, folder), { recursive: true })
  for (const [name, script] of Object.entries({ id: 'echo 0', install: 'exit 0' })) {
    writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(root, 'bin', name), 0o755)
  }
  const holder = spawn('flock', [join(root, 'etc/wimz'), 'sh', '-c', 'echo held; cat'])
  closeAfter(t, () => holder.stdin.end())
  await once(holder.stdout, 'data')
  const env = { ...process.env, WIMZ_ROOT: root, PATH: `${join(root, 'bin')}:${process.env.PATH}` }
  for (const args of [['wimz', 'update', PROJECT_ROOT], ['install.sh'], ['install.sh', '--uninstall']]) {
    const [script = '', ...rest] = args
    const refused = promisify(execFile)('sh', [join(PROJECT_ROOT, 'deploy', script), ...rest], { env })
    await assert.rejects(refused, ({ code, stderr }: { code: number; stderr: string }) => {
      assert.equal(code, 69, stderr)
      assert.match(stderr, /is at work here.*: run this again when it has ended$/m)
      return true
    })
  }
})

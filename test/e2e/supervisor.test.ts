import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { ON_MOSQUITTO, startStack } from '#dev/harness/stack.ts'
import { parseSections, readConfigFile } from '#lib/config.ts'
import { SECTION_NAMES } from '#lib/config-schema.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { ALL_SECTIONS } from '../../config-schema.ts'

function start(script: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [script, ...args],
      { cwd: PROJECT_ROOT },
      (_err, stdout, stderr) => {
        resolve({ code: child.exitCode, output: stdout + stderr })
      },
    )
  })
}

for (const script of [
  'main.ts',
  'broker/main.ts',
  'services/vision/main.ts',
  'services/webrtc/main.ts',
  'services/relay-bridge/main.ts',
]) {
  test(`${script} exits 78 for a bad config and says where it is wrong, without a stack`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'wimz-bad-'))
    closeAfter(t, () => rmSync(folder, { recursive: true }))
    const path = join(folder, 'robot.yaml')
    writeFileSync(path, 'visoin: {}\n')
    const { code, output } = await start(script, ['--config', path])
    assert.equal(code, 78)
    assert.match(output, /robot\.yaml:1:1: visoin: unknown section; did you mean vision\?/)
    assert.doesNotMatch(output, /\bat .*\.ts:\d+/)
  })
}

test('the robot’s own config and the demo’s are valid, and the robot’s shows every section', () => {
  for (const name of ['robot', 'demo']) {
    const path = join(PROJECT_ROOT, `configs/${name}.yaml`)
    const file = readConfigFile(path, { DEVICE_ID: 'x', DEVICE_SECRET: 'y' })
    parseSections(file, ALL_SECTIONS)
    if (name === 'robot')
      assert.deepEqual(Object.keys(file.sections).toSorted(), [...SECTION_NAMES].toSorted())
  }
})

test('--compact runs the small services in one process, which restarts and stops as a whole', {
  skip: ON_MOSQUITTO && 'the broker is not ours',
}, async () => {
  await using stack = await startStack(
    {},
    { within: 120_000, start: (program, args, options) => spawn(program, [...args, '--compact'], options) },
  )
  const pid = stack.pids.get('compact') ?? 0
  for (const name of ['broker', 'local-relay', 'relay-bridge']) assert.equal(stack.pids.get(name), pid, name)
  for (const name of ['vision', 'webrtc']) assert.notEqual(stack.pids.get(name), pid, name)
  const links = await collect(await stack.join(), topics.link)
  await links.next({ where: ({ connected }) => connected, within: 60_000 })

  await stack.kill('compact', 60_000)
  assert.notEqual(stack.pids.get('relay-bridge'), pid)
  const again = await collect(await stack.join('other'), topics.link)
  await again.next({ where: ({ connected }) => connected, within: 60_000 })

  const stopped = stack.line(({ msg }) => msg === 'stopped', 60_000)
  stack.supervisor.kill('SIGTERM')
  assert.equal((await stopped).clean, true)
})

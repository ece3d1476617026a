import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { startStack } from '#dev/harness/stack.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { runDoctor, statusOf, writeConfig } from './run-doctor.ts'

test('a running robot passes every check, and its relay connection and viewers are not disturbed', async () => {
  // fewer frames than usual: their encoding is not what is examined
  const webrtc = { stun_servers: [], video: { width: 640, height: 360, fps: 5 } }
  await using stack = await startStack({ webrtc }, { within: 120_000 })
  const bus = await stack.join()
  const links = await collect(bus, topics.link)
  await links.next({ where: ({ connected }) => connected, within: 60_000 })
  const states = await collect(bus, topics.serviceState, { service: 'vision' })
  await states.next({ where: ({ camera_ok }) => camera_ok === true, within: 60_000 })
  const before = links.all.length
  const { code, output, report } = await runDoctor(stack.config, ['--json', '--timeout', '120'])
  assert.equal(code, 0, output)
  assert.equal(report.ok, true)
  for (const check of [
    ...['config', 'bus', 'service broker', 'service relay-bridge', 'service webrtc', 'service vision'],
    ...['relay name', 'relay port', 'relay TLS', 'relay credentials', 'disk', 'video'],
  ]) {
    assert.equal(statusOf(report, check), 'ok', `${check}: ${output}`)
  }
  // how fast they are is a matter of the machine, and a warning there
  for (const check of ['model', 'camera']) assert.notEqual(statusOf(report, check), 'failure', output)
  const model = report.findings.find(({ check }) => check === 'model')
  assert.match(model?.message ?? '', /format yolov8 .*, 300x300: loaded in \d+ ms/)
  const camera = report.findings.find(({ check }) => check === 'camera')
  assert.match(camera?.message ?? '', /through vision: 640x360/)
  assert.ok(links.all.slice(before).every(({ payload }) => payload.connected))
  assert.ok(!output.includes(TEST_SECRET))
})

test('every error of a config is reported at once, and none of its secrets', async (t) => {
  const folder = temporaryFolder(t)
  const path = writeConfig(folder, {
    visoin: {},
    cloud: { device_id: 'x', device_secret: 'planted-secret', reconect_delay: 3 },
    webrtc: { max_connections: 99, stun_servers: [], video: { fps: '${NOT_SET}', width: 5 } },
    vision: { source: { type: 'v4l2', device: '/dev/planted-secret' }, detector: { model: 'none.onnx' } },
    bus: { url: 'mqtt://user:planted-secret@127.0.0.1:9' },
  })
  const { code, output, report } = await runDoctor(path)
  assert.equal(code, 1)
  const problems = report.findings.filter(({ check }) => check === 'config').map(({ message }) => message)
  for (const part of [
    'visoin: unknown section',
    'cloud.reconect_delay: unknown key',
    'max_connections',
    'NOT_SET',
    'video.width',
  ]) {
    assert.ok(
      problems.some((problem) => problem.includes(part)),
      `${part} is not reported: ${problems.join('\n')}`,
    )
  }
  assert.equal(statusOf(report, 'model'), 'failure', output)
  assert.doesNotMatch(output, /planted-secret@/)
})

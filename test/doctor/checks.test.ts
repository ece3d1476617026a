import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { BrokerSection } from '#broker/config.ts'
import { startBroker } from '#broker/index.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { BusSection, MetricsSection, WebrtcSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { VisionSection } from '#services/vision/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { checkBus, expectedServices } from '../../doctor/bus-check.ts'
import { jpegSize } from '../../doctor/camera-check.ts'
import { bounded } from '../../doctor/check-result.ts'
import { checkIce } from '../../doctor/ice-check.ts'
import { checkModel } from '../../doctor/model-check.ts'
import { runDoctor, writeConfig } from './run-doctor.ts'

test('a check that hangs or throws becomes a failure', async () => {
  const [hung] = await bounded('camera', 20, () => new Promise(() => {}))
  assert.match(hung?.message ?? '', /no result within 0\.02 s/)
  const [broken] = await bounded('camera', 1_000, () => Promise.reject(new Error('no such thing')))
  assert.deepEqual([broken?.status, broken?.message], ['failure', 'no such thing'])
})

test('only the services that the config asks for are expected', () => {
  const names = ['broker', 'relay-bridge', 'webrtc', 'vision']
  assert.deepEqual(expectedServices({}), names)
  const more = {
    metrics: MetricsSection.parse({ port: 9464 }),
    homeassistant: HomeAssistantSection.parse({ enabled: true }),
  }
  assert.deepEqual(expectedServices(more), [...names, 'metrics', 'homeassistant'])
  assert.deepEqual(expectedServices({ homeassistant: HomeAssistantSection.parse({}) }), names)
})

test('the size of a JPEG is read from its header', () => {
  const jpeg = Buffer.from('ffd8ffe000041234ffc0000b0802d0050001011100ffd9', 'hex')
  assert.deepEqual(jpegSize(jpeg), { width: 1280, height: 720 })
  assert.equal(jpegSize(Buffer.from('not a JPEG')), undefined)
})

test('in a container with too little memory for a model, the result comes from vision', async () => {
  const config = { vision: VisionSection.parse({ source: { type: 'synthetic' } }) }
  const check = async (detector?: object) => {
    const state = { state: 'online' as const, version: '0.0.0', since: 0, detector }
    const services = new Map(detector ? [['vision', state]] : [])
    const context = { config, services, bus: undefined, link: undefined, brokerDown: false, iceServers: [] }
    return (await checkModel(context, 256 * 2 ** 20))[0]
  }
  const unknown = await check()
  assert.equal(unknown?.status, 'warning')
  assert.match(unknown?.message ?? '', /not loaded: only 256 MiB/)
  assert.match(unknown?.advice ?? '', /docker compose run --rm doctor/)
  const well = await check({ ok: true, error: null, model: 'x.onnx', inference_ms: 11.5, fps: 5 })
  assert.equal(well?.status, 'ok')
  assert.match(well?.message ?? '', /x\.onnx, reported by vision .* takes 11\.5 ms/)
  const broken = await check({ ok: false, error: 'no such file', model: 'x.onnx' })
  assert.deepEqual([broken?.status, broken?.message], ['failure', 'vision reports for x.onnx: no such file'])
})

test('an unknown option prints the usage and exits with code 2', async (t) => {
  const path = writeConfig(temporaryFolder(t), {})
  const { code, output } = await runDoctor(path, ['--nope'])
  assert.equal(code, 2)
  assert.match(output, /^Unknown option '--nope'.*\nusage: npm run doctor/)
  assert.doesNotMatch(output, /\n {4}at /)
})

test('--timeout bounds each group of checks, and must be a number of seconds', async (t) => {
  const path = writeConfig(temporaryFolder(t), {
    cloud: { enabled: false },
    vision: { source: { type: 'synthetic' } },
  })
  const { code, output } = await runDoctor(path, ['--timeout', '0.001'])
  assert.equal(code, 1)
  assert.match(output, /model: no result within 0\.001 s/)
  for (const line of output.trim().split('\n')) assert.match(line, /^(ok {5}|WARNING|FAILURE) {2}\S/)
  const refused = await runDoctor(path, ['--timeout', '9999'])
  assert.equal(refused.code, 2)
  assert.match(refused.output, /^--timeout must be a number of seconds, at most 3600\n/)
})

test('a closed pipe, as after head, ends the doctor without a stack trace', async (t) => {
  const path = writeConfig(temporaryFolder(t), { visoin: {}, cloud: { enabled: false } })
  const child = spawn(process.execPath, ['doctor', '--config', path], { cwd: PROJECT_ROOT })
  t.after(() => child.kill('SIGKILL'))
  child.stdout.destroy()
  let complaint = ''
  child.stderr.on('data', (chunk) => {
    complaint += chunk
  })
  const [code] = await once(child, 'close')
  assert.deepEqual([code, complaint], [141, ''])
})

test('a rejected login is tried once: more attempts would make the broker throttle this address', async (t) => {
  const log = createLogger('test', { write: () => undefined })
  const broker = BrokerSection.parse({ port: 0 })
  const sections = { broker, data_dir: temporaryFolder(t) }
  await using running = await startBroker({ config: { ...sections, bus: BusSection.parse({}) }, log })
  const url = `mqtt://127.0.0.1:${running.port}`
  const { results, brokerDown } = await checkBus(
    BusSection.parse({ url, username: 'vision', password: 'planted-wrong' }),
    sections,
  )
  assert.deepEqual([results[0]?.status, brokerDown], ['failure', false])
  assert.match(results[0]?.advice ?? '', /bus\.username and bus\.password/)
  // a client that continued would retry after 50 to 150 ms
  await staysTrue(() => running.totals.logins_refused === 1, 1_000, { show: () => running.totals })
})

test('a TURN server with an unknown name is reported by that name', async () => {
  const config = { webrtc: WebrtcSection.parse({ stun_servers: [] }) }
  const iceServers = [{ urls: 'turn:no-such-host.invalid', username: 'a', credential: 'b' }]
  const context = {
    config,
    iceServers,
    services: new Map(),
    bus: undefined,
    link: undefined,
    brokerDown: false,
  }
  const turn = (await checkIce(context)).find(({ check }) => check.startsWith('TURN no-such-host'))
  assert.equal(turn?.status, 'failure')
  assert.match(turn?.message ?? '', /no-such-host\.invalid/)
  assert.match(turn?.advice ?? '', /name server/)
})

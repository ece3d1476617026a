import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BrokerSection } from '#broker/config.ts'
import { startBroker } from '#broker/index.ts'
import { BusSection, MetricsSection, WebrtcSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { VisionSection } from '#services/vision/config.ts'

import { temporaryFolder } from '#test/helpers/folder.ts'
import { staysTrue } from '#test/helpers/until.ts'
import { checkBus, expectedServices } from '../../doctor/bus-check.ts'
import { jpegSize } from '../../doctor/camera-check.ts'
import { bounded } from '../../doctor/check-result.ts'
import { checkIce } from '../../doctor/ice-check.ts'
import { adviceOn, checkHeat, judgeThrottling } from '../../doctor/machine-check.ts'
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

test('heat and throttling of a Raspberry Pi are told, and where they cannot be known', async (t) => {
  const root = temporaryFolder(t)
  const zone = join(root, 'class/thermal/thermal_zone0')
  const firmware = join(root, 'devices/platform/soc/soc:firmware')
  mkdirSync(zone, { recursive: true })
  mkdirSync(firmware, { recursive: true })
  writeFileSync(join(zone, 'temp'), '86200\n')
  writeFileSync(join(firmware, 'get_throttled'), '50005\n')
  const [heat, throttling] = await checkHeat(root)
  assert.deepEqual([heat?.status, heat?.message], ['failure', '86 °C'])
  assert.deepEqual(
    [throttling?.status, throttling?.message],
    ['failure', 'now: voltage too low, slowed down'],
  )
  assert.equal(judgeThrottling(0x50000).status, 'warning')
  assert.equal(judgeThrottling(0).status, 'ok')
  const [none] = await checkHeat(join(root, 'nothing'))
  assert.match(none?.message ?? '', /no sensor/)
})

test('the size of a JPEG is read from its header', () => {
  const jpeg = Buffer.from('ffd8ffe000041234ffc0000b0802d0050001011100ffd9', 'hex')
  assert.deepEqual(jpegSize(jpeg), { width: 1280, height: 720 })
  assert.equal(jpegSize(Buffer.from('no picture at all')), undefined)
})

test('a disk that is full is told apart from a folder that is not ours', () => {
  const refusal = (path: string) => {
    try {
      writeFileSync(path, 'x')
    } catch (err) {
      return err
    }
    assert.fail(`${path} could be written`)
  }
  assert.match(adviceOn(refusal('/dev/full')), /delete what is not needed/)
  assert.match(adviceOn(refusal('/proc/nothing')), /a folder that we may write to/)
  assert.match(adviceOn(Object.assign(new Error('x'), { code: 'EROFS' })), /mounted read-only/)
})

test('in a container that has no memory for a model, vision is asked how it does', async () => {
  const config = { vision: VisionSection.parse({ source: { type: 'synthetic' } }) }
  const look = async (detector?: object) => {
    const state = { state: 'online' as const, version: '0.0.0', since: 0, detector }
    const services = new Map(detector ? [['vision', state]] : [])
    const patient = { config, services, bus: undefined, link: undefined, asleep: false, iceServers: [] }
    return (await checkModel(patient, 256 * 2 ** 20))[0]
  }
  const nobody = await look()
  assert.equal(nobody?.status, 'warning')
  assert.match(nobody?.message ?? '', /not loaded: only 256 MiB/)
  assert.match(nobody?.advice ?? '', /docker compose run --rm doctor/)
  const well = await look({ ok: true, error: null, model: 'x.onnx', inference_ms: 11.5, fps: 5 })
  assert.equal(well?.status, 'ok')
  assert.match(well?.message ?? '', /x\.onnx as vision says .* takes 11\.5 ms/)
  const broken = await look({ ok: false, error: 'no such file', model: 'x.onnx' })
  assert.deepEqual([broken?.status, broken?.message], ['failure', 'vision says of x.onnx: no such file'])
})

test('an option that nobody knows gets the usage and exit code 2', async (t) => {
  const path = writeConfig(temporaryFolder(t), {})
  const { code, output } = await runDoctor(path, ['--nope'])
  assert.equal(code, 2)
  assert.match(output, /^Unknown option '--nope'.*\nusage: npm run doctor/)
  assert.doesNotMatch(output, /\n {4}at /)
})

test('a reader that leaves, like head, ends the doctor without a stack trace', async (t) => {
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

test('a login that the broker refuses is tried once: many would make it hold this address off', async (t) => {
  const log = createLogger('test', { write: () => undefined })
  const broker = BrokerSection.parse({ port: 0 })
  const sections = { broker, data_dir: temporaryFolder(t) }
  await using running = await startBroker({ config: { ...sections, bus: BusSection.parse({}) }, log })
  const url = `mqtt://127.0.0.1:${running.port}`
  const { findings, asleep } = await checkBus(
    BusSection.parse({ url, username: 'vision', password: 'planted-wrong' }),
    sections,
  )
  assert.deepEqual([findings[0]?.status, asleep], ['failure', false])
  assert.match(findings[0]?.advice ?? '', /bus\.username and bus\.password/)
  // a client that went on would try again 50 to 150 ms later
  await staysTrue(() => running.totals.logins_refused === 1, 1_000, { show: () => running.totals })
})

test('a TURN server whose name nobody knows is told as such', async () => {
  const config = { webrtc: WebrtcSection.parse({ stun_servers: [] }) }
  const iceServers = [{ urls: 'turn:no-such-host.invalid', username: 'a', credential: 'b' }]
  const patient = { config, iceServers, services: new Map(), bus: undefined, link: undefined, asleep: false }
  const turn = (await checkIce(patient)).find(({ check }) => check.startsWith('TURN no-such-host'))
  assert.equal(turn?.status, 'failure')
  assert.match(turn?.message ?? '', /no-such-host\.invalid/)
  assert.match(turn?.advice ?? '', /name server/)
})

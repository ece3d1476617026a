import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, promises, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
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
import { adviceOn, checkClock, checkDisk, checkHeat, judgeThrottling } from '../../doctor/machine-check.ts'
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

test('temperature and throttling of a Raspberry Pi are reported, also where they are unknown', async (t) => {
  const root = temporaryFolder(t)
  const zone = join(root, 'class/thermal/thermal_zone0')
  const firmware = join(root, 'devices/platform/soc/soc:firmware')
  mkdirSync(zone, { recursive: true })
  mkdirSync(firmware, { recursive: true })
  writeFileSync(join(zone, 'temp'), '86200\n')
  writeFileSync(join(firmware, 'get_throttled'), '50005\n')
  const [heat, throttling] = await checkHeat(root)
  assert.deepEqual([heat?.status, heat?.message], ['failure', '86 °C'])
  assert.deepEqual([throttling?.status, throttling?.message], ['failure', 'now: undervoltage, throttled'])
  assert.equal(judgeThrottling(0x50000).status, 'warning')
  assert.equal(judgeThrottling(0).status, 'ok')
  const [none] = await checkHeat(join(root, 'nothing'))
  assert.match(none?.message ?? '', /no readable sensor/)
})

test('the size of a JPEG is read from its header', () => {
  const jpeg = Buffer.from('ffd8ffe000041234ffc0000b0802d0050001011100ffd9', 'hex')
  assert.deepEqual(jpegSize(jpeg), { width: 1280, height: 720 })
  assert.equal(jpegSize(Buffer.from('not a JPEG')), undefined)
})

test('a full disk and a folder without write access get different advice', () => {
  const refusal = (path: string) => {
    try {
      writeFileSync(path, 'x')
    } catch (err) {
      return err
    }
    assert.fail(`${path} could be written`)
  }
  assert.match(adviceOn(refusal('/dev/full')), /delete files that are not needed/)
  assert.match(adviceOn(refusal('/proc/nothing')), /a folder that this user may write to/)
  assert.match(adviceOn(Object.assign(new Error('x'), { code: 'EROFS' })), /mounted read-only/)
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

const contextOf = (config: object) => ({
  ...{ config, iceServers: [], services: new Map(), bus: undefined, link: undefined, brokerDown: false },
})

test('a disk with less than 500 MiB is a warning, with less than 50 MiB a failure', async (t) => {
  let free = 0
  t.mock.method(promises, 'statfs', async () => ({ bavail: free * 256, bsize: 4_096 }))
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const data_dir = temporaryFolder(t)
  for (const [mib, status] of [
    [500, 'ok'],
    [499, 'warning'],
    [50, 'warning'],
    [49, 'failure'],
    [0, 'failure'],
  ] as const) {
    free = mib
    const [result] = await checkDisk(contextOf({ data_dir }))
    assert.deepEqual([result?.status, result?.message], [status, `${data_dir}: ${mib} MiB free`])
  }
})

test('a clock more than 3 s from the relay’s is a warning, more than 60 s a failure', async (t) => {
  let ahead = 0
  let date = true
  const server = createServer((_request, response) => {
    if (date) response.setHeader('Date', new Date(Date.now() - 500 - ahead * 1_000).toUTCString())
    else response.sendDate = false
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const cloud = { enabled: true, relay_url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws` }
  const check = async () => (await checkClock(contextOf({ cloud })))[0]
  for (const [seconds, status] of [
    [0, 'ok'],
    [-1.5, 'ok'],
    [5, 'warning'],
    [-5, 'warning'],
    [57, 'warning'],
    [63, 'failure'],
    [-3_600, 'failure'],
  ] as const) {
    ahead = seconds
    const result = await check()
    assert.equal(result?.status, status, `${seconds} s: ${result?.message}`)
    const shown = Number(/^(-?[\d.]+) s from the relay/.exec(result?.message ?? '')?.[1])
    assert.ok(Math.abs(shown - seconds) <= 1.1, result?.message)
  }
  date = false
  assert.match((await check())?.message ?? '', /no relay to compare with|synchronized by NTP/)
})

test('75 °C is a warning, 84 °C a failure, and the hottest sensor counts', async (t) => {
  const root = temporaryFolder(t)
  const statusAt = async (...celsius: number[]) => {
    for (const [i, value] of celsius.entries()) {
      const zone = join(root, `class/thermal/thermal_zone${i}`)
      mkdirSync(zone, { recursive: true })
      writeFileSync(join(zone, 'temp'), `${value * 1_000}\n`)
    }
    return (await checkHeat(root))[0]?.status
  }
  assert.equal(await statusAt(74.9), 'ok')
  assert.equal(await statusAt(75), 'warning')
  assert.equal(await statusAt(83.9), 'warning')
  assert.equal(await statusAt(84), 'failure')
  assert.equal(await statusAt(20, 90, 30), 'failure')
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { VisionSection } from '#services/vision/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { cameraAdvice, processesThatHold, relayAdvice } from '../../doctor/advice.ts'
import { checkCamera } from '../../doctor/camera-check.ts'
import { checkConfig } from '../../doctor/config-check.ts'
import { checkRelay } from '../../doctor/relay-check.ts'

const NOTHING = { services: new Map(), bus: undefined, link: undefined, brokerDown: true, iceServers: [] }

/** A server that answers each path with the status of its name. */
async function statusServer(t: TestContext): Promise<number> {
  const server = createServer(({ url = '' }, response) => {
    response.writeHead(Number(url.slice(1)))
    response.end()
  })
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

test('a camera that cannot be opened gets the advice for its cause', async (t) => {
  const port = await statusServer(t)
  const folder = temporaryFolder(t)
  const text = join(folder, 'text.mp4')
  writeFileSync(text, 'no video')
  const url = (address: string) => ({ type: 'url', url: address })
  const exec = (...command: string[]) => ({ type: 'exec', command, format: 'mjpeg' })
  for (const [source, advice] of [
    [exec('no-such-program'), /^install this program, or correct vision\.source\.command$/],
    [exec('false'), /^run the program by hand/],
    [exec(text), /^this program may not be executed: chmod \+x$/],
    [
      { type: 'v4l2', device: '/dev/no-such-camera' },
      /^plug the camera in, or name another device in vision\.source\.device/,
    ],
    [{ type: 'v4l2', device: '/dev/null' }, /^not a camera: check vision\.source\.device/],
    [url('/no/such/file.mp4'), /^file not found: check vision\.source\.url$/],
    [url(text), /^not a video: check vision\.source\.url$/],
    [url(`http://127.0.0.1:${port}/401`), /^put user and password into vision\.source\.url/],
    [url(`http://127.0.0.1:${port}/404`), /^the camera has no such address/],
    [url('http://127.0.0.1:9/'), /^nothing listens there: check host and port in vision\.source\.url/],
    [url('rtsp://127.0.0.1:9/'), /^nothing listens there/],
    [url('rtsp://no-such-host.invalid/'), /^this name is unknown/],
  ] as const) {
    const config = { vision: VisionSection.parse({ source }), webrtc: WebrtcSection.parse({}) }
    const [result] = await checkCamera({ ...NOTHING, config })
    assert.equal(result?.status, 'failure', JSON.stringify(source))
    assert.match(result.advice ?? '', advice, `${JSON.stringify(source)}: ${result.message}`)
  }
})

test('causes that this machine cannot have get their advice by the text of the error', () => {
  const v4l2 = VisionSection.parse({ source: { type: 'v4l2' } }).source
  const rpicam = VisionSection.parse({}).source
  assert.match(cameraAdvice(rpicam, 'cannot run rpicam-vid: not found'), /sudo apt install rpicam-apps-lite/)
  assert.match(
    cameraAdvice(rpicam, 'rpicam-vid exited with code 255 ERROR: *** no cameras available ***'),
    /ribbon cable/,
  )
  assert.match(cameraAdvice(v4l2, '/dev/video0: cannot open: Permission denied'), /group video/)
  for (const [reason, advice] of [
    ['getaddrinfo ENOTFOUND relay.example', /this name does not exist/],
    ['getaddrinfo EAI_AGAIN relay.example', /no name server answers/],
    ['443: connect ENETUNREACH 192.0.2.1:443', /no route there/],
    ['443: The operation was aborted due to timeout', /firewall/],
    ['certificate has expired', /clock of this machine/],
    ['self-signed certificate in certificate chain', /NODE_EXTRA_CA_CERTS/],
    ["Hostname/IP does not match certificate's altnames", /for another name/],
  ] as const)
    assert.match(relayAdvice(reason), advice, reason)
})

test('a busy camera: the process that holds it is named', async (t) => {
  const device = join(temporaryFolder(t), 'video0')
  writeFileSync(device, '')
  const child = spawn('sleep', ['60'], { stdio: [openSync(device, 'r'), 'ignore', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  await until(() => processesThatHold(device).length > 0)
  const source = VisionSection.parse({ source: { type: 'v4l2', device } }).source
  const advice = cameraAdvice(source, `${device}: cannot open: Device or resource busy`)
  assert.equal(advice, `sleep (${child.pid}) uses the camera: end it, or stop the robot`)
})

test('a relay that cannot be reached gets the advice for its cause, and a missing identity is reported as well', async (t) => {
  const port = await statusServer(t)
  for (const [relay_url, check, advice] of [
    ['ws://127.0.0.1:9/ws/device', 'relay port', /^nothing listens on this port: check cloud\.relay_url/],
    [`wss://127.0.0.1:${port}/ws/device`, 'relay TLS', /^this port does not speak TLS: use ws:\/\//],
  ] as const) {
    const results = await checkRelay({ ...NOTHING, config: { cloud: CloudSection.parse({ relay_url }) } })
    const failures = results.filter(({ status }) => status === 'failure')
    assert.deepEqual(
      failures.map((failure) => failure.check),
      [check, 'relay credentials'],
    )
    assert.match(failures[0]?.advice ?? '', advice)
    assert.equal(failures[1]?.message, 'no device_id and no device_secret')
  }
})

test('a section under a wrong name is not examined with its defaults', (t) => {
  const path = join(temporaryFolder(t), 'robot.yaml')
  const examined = (yaml: string) => {
    writeFileSync(path, yaml)
    return Object.keys(checkConfig(path).config)
  }
  assert.ok(examined('bus: {}').includes('vision'))
  assert.ok(!examined('visoin: {}').includes('vision'))
  assert.ok(examined('visoin: {}').includes('bus'))
  assert.deepEqual(examined('camera: {}\nbus: {}'), ['bus'])
})

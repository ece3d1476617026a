/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without, withoutAiortc } from '#test/helpers/tools.ts'

const TOKEN = 'whep-test-token'
const FRAMES = 60

/** Neither is in Debian: they come from their releases or from the Go module proxy. */
function withoutProgram(name: string): string | false {
  const { error } = spawnSync(name, ['--version'], { stdio: 'ignore' })
  return error ? `needs ${name} in PATH` : without('ffmpeg')
}

/** Reads {@link FRAMES} frames; resolves with the number that ffmpeg has decoded. */
async function decodedFrames(url: string): Promise<number> {
  const args = ['-v', 'error', '-rtsp_transport', 'tcp', '-i', url, '-frames:v', String(FRAMES)]
  const { stdout } = await promisify(execFile)(
    'ffmpeg',
    [...args, '-f', 'null', '-progress', 'pipe:1', '-'],
    { timeout: 60_000, killSignal: 'SIGKILL' },
  )
  return Number(
    stdout
      .match(/^frame=(\d+)$/gm)
      ?.at(-1)
      ?.slice(6) ?? 0,
  )
}

/** Runs a program until the end of the test. */
function run(t: TestContext, program: string, args: string[]) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  closeAfter(t, () => child.kill('SIGKILL'))
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => lines.push(line))
  return { child, lines }
}

/** Waits until the RTSP server has an answer. */
async function readFromRtsp(url: string, show: () => unknown): Promise<number> {
  const attempt = async () => {
    const frames = await decodedFrames(url).catch(() => 0)
    return frames >= FRAMES && frames
  }
  return await until(attempt, { deadline: 120_000, every: 500, show })
}

test('WHEP players of other software decode the robot’s video', { timeout: 400_000 }, async (t) => {
  const config = { webrtc: { stun_servers: [], max_connections: 4 }, local_relay: { token: TOKEN } }
  const stack = await startStack(config, { within: 90_000 })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const whep = `127.0.0.1:${stack.relayPort}/whep`

  await t.test('aiortc, with the token as a header', { skip: withoutAiortc() }, async (t) => {
    const script = `${PROJECT_ROOT}/test/webrtc/aiortc_player.py`
    const { child, lines } = run(t, '/usr/bin/python3', [script, `http://${whep}`, TOKEN])
    const frames = () => lines.filter((line) => line.startsWith('{"frame"')).map((line) => JSON.parse(line))
    await until(() => frames().length >= FRAMES, { deadline: 60_000, show: () => lines })
    const { width, spread } = frames().at(-1)
    assert.ok(width >= 320 && spread > 10, `a picture: ${width} wide, ${spread}`)
    child.stdin.end()
    await until(() => lines.some((line) => line === '{"deleted": 200}'), {
      deadline: 20_000,
      show: () => lines,
    })
    await endOf(stack, 'viewer-left')
    t.diagnostic(`${frames().length} frames of ${width}`)
  })

  await t.test('a page of another site in Chromium', { skip: without('chromium') }, async (t) => {
    const page = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end('<video autoplay muted playsinline></video>')
    })
    page.listen(0, '127.0.0.1')
    await once(page, 'listening')
    closeAfter(t, () => page.close())
    const browser = await launchBrowser()
    closeAfter(t, () => browser.close())
    const tab = await browser.newPage()
    await tab.goto(`http://localhost:${(page.address() as AddressInfo).port}/`)
    const decoded = await tab.evaluate(watch, { url: `http://${whep}`, token: TOKEN, frames: FRAMES })
    assert.ok(decoded >= FRAMES)
    await endOf(stack, 'viewer-left')
    t.diagnostic(`${decoded} frames`)
  })

  await t.test('go2rtc, and from it ffmpeg by RTSP', { skip: withoutProgram('go2rtc') }, async (t) => {
    const [api = 0, rtsp = 0, media = 0] = await freePorts(3)
    const config = join(temporaryFolder(t), 'go2rtc.json')
    const source = `webrtc:http://${whep}?token=${TOKEN}`
    const listeners = {
      api: { listen: `127.0.0.1:${api}` },
      rtsp: { listen: `127.0.0.1:${rtsp}` },
      webrtc: { listen: `:${media}`, ice_servers: [] },
    }
    writeFileSync(config, JSON.stringify({ ...listeners, streams: { robot: source } }))
    const { lines } = run(t, 'go2rtc', ['-config', config])
    assert.equal(await readFromRtsp(`rtsp://127.0.0.1:${rtsp}/robot`, () => lines), FRAMES)
  })

  await t.test('MediaMTX, and from it ffmpeg by RTSP', { skip: withoutProgram('mediamtx') }, async (t) => {
    const [rtsp = 0] = await freePorts(1)
    const config = join(temporaryFolder(t), 'mediamtx.yml')
    writeFileSync(
      config,
      JSON.stringify({
        ...{ rtmp: false, hls: false, srt: false, webrtc: false },
        ...{ rtspAddress: `127.0.0.1:${rtsp}`, rtspTransports: ['tcp'] },
        paths: { robot: { source: `whep://${whep}`, whepBearerToken: TOKEN } },
      }),
    )
    const { lines } = run(t, 'mediamtx', [config])
    assert.equal(await readFromRtsp(`rtsp://127.0.0.1:${rtsp}/robot`, () => lines), FRAMES)
    await stack.kill('webrtc')
    assert.equal(await readFromRtsp(`rtsp://127.0.0.1:${rtsp}/robot`, () => lines), FRAMES, 'after a restart')
  })
})

/** The viewer's own end reaches the robot: no session is left. */
async function endOf(stack: Stack, reason: string): Promise<void> {
  await until(() => stack.lines.some((line) => line.msg === 'session closed' && line.reason === reason), {
    deadline: 20_000,
  })
  const bus = await stack.join('whep-check')
  let count: number | undefined
  await bus.subscribe(topics.sessions, (list) => {
    count = list.length
  })
  await until(() => count === 0, { deadline: 20_000 })
}

/** In the page: a WHEP client, which counts decoded frames. */
async function watch({
  url,
  token,
  frames,
}: {
  url: string
  token: string
  frames: number
}): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` }
  const pc = new RTCPeerConnection()
  pc.addTransceiver('video', { direction: 'recvonly' })
  pc.ontrack = ({ track }) => {
    const video = document.querySelector('video')
    if (video) video.srcObject = new MediaStream([track])
  }
  await pc.setLocalDescription(await pc.createOffer())
  const body = pc.localDescription?.sdp ?? ''
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/sdp' },
    body,
  })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  const session = new URL(answer.headers.get('Location') ?? '', url)
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
  let decoded = 0
  for (let tries = 0; decoded < frames && tries < 300; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    for (const report of (await pc.getStats()).values())
      if (report.type === 'inbound-rtp' && report.kind === 'video') decoded = report.framesDecoded ?? 0
  }
  await fetch(session, { method: 'DELETE', headers })
  pc.close()
  return decoded
}

/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
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
import { launchFirefox } from '../browser/firefox.ts'
import { run, startGo2rtc, withoutProgram } from './go2rtc.ts'

const TOKEN = 'whep-test-token'
const FRAMES = 60

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
    const browser = await launchBrowser()
    closeAfter(t, () => browser.close())
    const tab = await browser.newPage()
    await tab.goto(await servePage(t))
    const seen = await tab.evaluate(watch, { url: `http://${whep}`, token: TOKEN, frames: FRAMES })
    assertWatched(seen)
    await endOf(stack, 'viewer-left')
    t.diagnostic(JSON.stringify(seen))
  })

  await t.test(
    'the same page in Firefox, which has VP8 only',
    { skip: without('firefox-esr') },
    async (t) => {
      const browser = await launchFirefox()
      closeAfter(t, () => browser[Symbol.asyncDispose]())
      await browser.open(await servePage(t))
      const given = JSON.stringify({ url: `http://${whep}`, token: TOKEN, frames: FRAMES })
      const seen = (await browser.evaluate(`(${watch})(${given})`)) as Seen
      assertWatched(seen)
      await endOf(stack, 'viewer-left')
      t.diagnostic(JSON.stringify(seen))
    },
  )

  await t.test('go2rtc, and from it ffmpeg by RTSP', { skip: withoutProgram('go2rtc') }, async (t) => {
    const { url, lines } = await startGo2rtc(t, stack.relayPort, TOKEN)
    assert.ok((await readFromRtsp(url, () => lines)) >= FRAMES)
    await endOf(stack, 'connection-lost')
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
    const url = `rtsp://127.0.0.1:${rtsp}/robot`
    assert.ok((await readFromRtsp(url, () => lines)) >= FRAMES)
    for (const service of ['webrtc', 'local-relay', 'relay-bridge']) {
      await stack.kill(service)
      assert.ok((await readFromRtsp(url, () => lines)) >= FRAMES, `after a restart of ${service}`)
    }
  })
})

type Seen = Awaited<ReturnType<typeof watch>>

function assertWatched({ statuses, first, second, state, isRenewed }: Seen): void {
  assert.deepEqual(statuses, [201, 204, 200])
  assert.ok(first >= FRAMES && second >= FRAMES && isRenewed, `${first} frames, then ${second}`)
  assert.ok(['connected', 'completed'].includes(state), state)
}

/** A page of another site; returns its address. */
async function servePage(t: TestContext): Promise<string> {
  const page = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end('<video autoplay muted playsinline></video>')
  })
  page.listen(0, '127.0.0.1')
  await once(page, 'listening')
  closeAfter(t, () => {
    page.closeAllConnections()
    page.close()
  })
  return `http://localhost:${(page.address() as AddressInfo).port}/`
}

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

/** In the page: a WHEP client, which adds its candidates later, and restarts ICE. */
async function watch({ url, token, frames }: { url: string; token: string; frames: number }) {
  const headers = { Authorization: `Bearer ${token}` }
  const pc = new RTCPeerConnection()
  pc.addTransceiver('video', { direction: 'recvonly' })
  pc.ontrack = ({ track }) => {
    const video = document.querySelector('video')
    if (video) video.srcObject = new MediaStream([track])
  }
  const decodedFrames = async () => {
    for (const report of (await pc.getStats()).values())
      if (report.type === 'inbound-rtp' && report.kind === 'video') return Number(report.framesDecoded ?? 0)
    return 0
  }
  const more = async (count: number) => {
    const from = await decodedFrames()
    for (let tries = 0; (await decodedFrames()) < from + count && tries < 300; tries++)
      await new Promise((resolve) => setTimeout(resolve, 200))
    return (await decodedFrames()) - from
  }
  const gathered = () =>
    new Promise((resolve) => {
      if (pc.iceGatheringState === 'complete') resolve(undefined)
      pc.addEventListener(
        'icegatheringstatechange',
        () => pc.iceGatheringState === 'complete' && resolve(undefined),
      )
    })
  const send = async (method: string, to: URL | string, type: string, body: string, ifMatch = '') => {
    const answer = await fetch(to, {
      method,
      headers: { ...headers, 'Content-Type': type, 'If-Match': ifMatch },
      body,
    })
    if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const patch = (to: URL, ifMatch: string) => {
    const lines = pc.localDescription?.sdp.match(/^(m=|a=(mid|ice-ufrag|ice-pwd|candidate):).*$/gm) ?? []
    return send('PATCH', to, 'application/trickle-ice-sdpfrag', `${lines.join('\r\n')}\r\n`, ifMatch)
  }

  await pc.setLocalDescription(await pc.createOffer())
  const bare = pc.localDescription?.sdp ?? ''
  const answer = await send('POST', url, 'application/sdp', bare)
  const [session, etag] = [
    new URL(answer.headers.get('Location') ?? '', url),
    answer.headers.get('ETag') ?? '',
  ]
  const sdp = await answer.text()
  await pc.setRemoteDescription({ type: 'answer', sdp })
  await gathered()
  const trickled = (await patch(session, etag)).status
  const first = await more(frames)

  pc.restartIce()
  await pc.setLocalDescription(await pc.createOffer())
  await gathered()
  const restart = await patch(session, '*')
  const fragment = await restart.text()
  const attribute = (name: string) => new RegExp(`^a=${name}:.*$`, 'm').exec(fragment)?.[0] ?? ''
  const renewed = sdp
    .replace(/^a=ice-ufrag:.*$/gm, attribute('ice-ufrag'))
    .replace(/^a=ice-pwd:.*$/gm, attribute('ice-pwd'))
    .replace(/^(a=candidate:.*\r\n)+/m, (fragment.match(/^a=candidate:.*\r\n/gm) ?? []).join(''))
  await pc.setRemoteDescription({ type: 'answer', sdp: renewed })
  const second = await more(frames)
  const state = pc.iceConnectionState
  await fetch(session, { method: 'DELETE', headers })
  pc.close()
  const statuses = [answer.status, trickled, restart.status]
  return {
    statuses,
    candidates: bare.includes('a=candidate'),
    first,
    second,
    state,
    isRenewed: renewed !== sdp,
  }
}

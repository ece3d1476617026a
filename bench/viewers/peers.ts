import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { GoTool } from './go-tool.ts'
import type { Server } from './our-server.ts'

/** Another server, and the processes that belong to it. */
export type Peer = Server & Disposable

/** The same video as ours: 720p15, 1.5 Mbit/s, a keyframe every two seconds, encoded once by ffmpeg. */
const ENCODER = [
  ...[
    '-v',
    'error',
    '-re',
    '-stream_loop',
    '-1',
    '-i',
    'demo/clip.mp4',
    '-an',
    '-c:v',
    'libx264',
    '-preset',
    'superfast',
  ],
  ...[
    '-tune',
    'zerolatency',
    '-profile:v',
    'baseline',
    '-g',
    '30',
    '-b:v',
    '1500k',
    '-maxrate',
    '1500k',
    '-bufsize',
    '300k',
  ],
]
const START_TIMEOUT_MS = 30_000

/** Those that can run here, by name. */
export const PEERS: Readonly<
  Record<string, { isInstalled(): boolean; start(receivers: GoTool): Promise<Peer> }>
> = {
  aiortc: { isInstalled: () => works('/usr/bin/python3', '-c', 'import aiortc'), start: startAiortc },
  go2rtc: { isInstalled: () => works('go2rtc', '--version'), start: startGo2rtc },
  mediamtx: { isInstalled: () => works('mediamtx', '--version'), start: startMediamtx },
}

function works(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore', timeout: 20_000 })
    return true
  } catch {
    return false
  }
}

/** It offers, and encodes for each viewer: its CPU includes decoding the clip and every encoder. */
function startAiortc(receivers: GoTool): Promise<Peer> {
  const args = ['bench/peers/aiortc_relay.py', 'demo/clip.mp4']
  const child = spawn('/usr/bin/python3', args, { cwd: PROJECT_ROOT, stdio: ['pipe', 'pipe', 'ignore'] })
  const offers = new Map<string, (sdp: string) => void>()
  createInterface(child.stdout).on('line', (line) => {
    const { id, sdp } = JSON.parse(line)
    offers.get(id)?.(sdp)
  })
  const send = (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`)
  return Promise.resolve({
    pids: new Map([['aiortc', child.pid ?? 0]]),
    async connect(id) {
      const offered = new Promise<string>((resolve) => offers.set(id, resolve))
      send({ id })
      send({ id, sdp: await receivers.describe(id, await offered) })
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  })
}

/** An RTSP source that ffmpeg publishes to; no ICE servers. go2rtc's README, modules rtsp and webrtc. */
async function startGo2rtc(receivers: GoTool): Promise<Peer> {
  const [api = 0, rtsp = 0, media = 0] = await freePorts(3)
  const config = {
    api: { listen: `127.0.0.1:${api}` },
    rtsp: { listen: `127.0.0.1:${rtsp}` },
    webrtc: { listen: `:${media}`, ice_servers: [] },
    streams: { cam: '' },
    log: { level: 'error' },
  }
  return await startWhep(receivers, {
    name: 'go2rtc',
    command: (folder) => ['go2rtc', '-config', fileIn(folder, 'go2rtc.json', JSON.stringify(config))],
    publish: `rtsp://127.0.0.1:${rtsp}/cam`,
    whep: `http://127.0.0.1:${api}/api/webrtc?src=cam`,
  })
}

/** WebRTC over UDP, the other protocols off; ffmpeg publishes by RTSP over TCP. mediamtx.yml of its release. */
async function startMediamtx(receivers: GoTool): Promise<Peer> {
  const [rtsp = 0, http = 0, media = 0] = await freePorts(3)
  const config = {
    logLevel: 'error',
    rtmp: false,
    hls: false,
    srt: false,
    rtspAddress: `127.0.0.1:${rtsp}`,
    rtspTransports: ['tcp'],
    webrtcAddress: `127.0.0.1:${http}`,
    webrtcLocalUDPAddress: `:${media}`,
    paths: { cam: {} },
  }
  return await startWhep(receivers, {
    name: 'mediamtx',
    command: (folder) => ['mediamtx', fileIn(folder, 'mediamtx.yml', JSON.stringify(config))],
    publish: `rtsp://127.0.0.1:${rtsp}/cam`,
    whep: `http://127.0.0.1:${http}/cam/whep`,
  })
}

interface WhepServer {
  name: string
  command(folder: string): string[]
  /** Where ffmpeg publishes, and where a viewer posts its offer. */
  publish: string
  whep: string
}

async function startWhep(receivers: GoTool, { name, command, publish, whep }: WhepServer): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-peer-'))
  const [program = '', ...args] = command(folder)
  const server = spawn(program, args, { cwd: folder, stdio: 'ignore' })
  await sleep(1_500)
  const encoder = spawn('ffmpeg', [...ENCODER, '-f', 'rtsp', '-rtsp_transport', 'tcp', publish], {
    cwd: PROJECT_ROOT,
    stdio: 'ignore',
  })
  return {
    pids: new Map([[name, server.pid ?? 0]]),
    async connect(id) {
      const answer = await post(whep, await receivers.offer(id))
      receivers.send(id, answer)
    },
    [Symbol.dispose]() {
      for (const child of [encoder, server] as ChildProcess[]) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The stream may not be published yet. */
async function post(url: string, sdp: string): Promise<string> {
  const end = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const headers = { 'Content-Type': 'application/sdp' }
    const response = await fetch(url, { method: 'POST', headers, body: sdp }).catch(() => undefined)
    if (response?.ok) return await response.text()
    if (performance.now() > end) throw new Error(`${url}: ${response?.status} ${await response?.text()}`)
    await sleep(500)
  }
}

function fileIn(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

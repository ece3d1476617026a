import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { type Bus, connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { refuseSecrets, TEST_SECRET } from '#dev/harness/secrets.ts'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { type FakeRelay, fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { hostileFrames } from './hostile-frames.ts'

/** Frames between two looks whether the bridge still follows. */
const BATCH = 200

interface Process {
  child: ChildProcess
  lines: string[]
}

/** What became of the bridge. Memory in MiB, after a collection. */
export interface FuzzResult {
  warm: number
  end: number
  lines: number
  seconds: number
}

/** Sends so many frames to a bridge in a process of its own, and looks that it still does its work afterwards. */
export async function fuzz(
  t: TestContext,
  frames: number,
  warmUp: number,
  seed: number,
): Promise<FuzzResult> {
  const relay = await fakeRelay(t)
  const { robot, bridge } = await startProcess(t, relay)
  const socket = await relay.robot(20_000)
  await socket.next(({ type }) => type === 'ping', 10_000)
  const marks = await followMarks(robot)
  const began = performance.now()
  let sent = 0
  const sendUntil = async (end: number) => {
    while (sent < end) {
      const batch = Math.min(BATCH, end - sent)
      for (const frame of hostileFrames(batch, seed + sent)) socket.socket.send(frame)
      sent += batch
      socket.send({ type: 'activity_clear', mark: sent })
      await marks(sent)
      socket.frames.length = 0
      assert.equal(bridge.child.exitCode, null, bridge.lines.slice(-5).join('\n'))
    }
  }
  await sendUntil(warmUp)
  const warm = await memoryOf(bridge.child)
  await sendUntil(frames)
  const end = await memoryOf(bridge.child)
  await assertWorks(socket, robot)
  assert.equal(socket.socket.readyState, socket.socket.OPEN, 'the link never broke')
  assert.equal(relay.attempts.length, 1)
  assert.ok(
    !bridge.lines.some((line) => /unforeseen|unhandled|"level":"(error|fatal)"/i.test(line)),
    bridge.lines.join('\n'),
  )
  return { warm, end, lines: bridge.lines.length, seconds: (performance.now() - began) / 1000 }
}

async function startProcess(t: TestContext, relay: FakeRelay) {
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const log = createLogger('test', { write() {} })
  const { port } = stack.use(await startOpenBroker(log))
  const url = `mqtt://127.0.0.1:${port}`
  const robot = stack.use(await connectBus({ url, prefix: 'wimz', service: 'robot', version: '0', log }))
  const folder = temporaryFolder(t)
  const path = join(folder, 'robot.yaml')
  const cloud = { relay_url: relay.url, device_id: 'wimz_robot_99', device_secret: TEST_SECRET }
  writeFileSync(path, stringify({ cloud, broker: { enabled: false }, bus: { url }, data_dir: folder }))
  const collector = new URL('./gc-on-signal.ts', import.meta.url).href
  const args = ['--expose-gc', '--import', collector, 'services/relay-bridge/main.ts', '--config', path]
  // memory as the supervisor starts it
  const env = { ...process.env, RELAY_URL: '', LOG_LEVEL: 'trace', NODE_OPTIONS: '--max-semi-space-size=2' }
  const child = spawn(process.execPath, args, {
    cwd: PROJECT_ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => {
    refuseSecrets(line)
    lines.push(line)
  })
  // Node's own warnings, too: a timer of NaN milliseconds is a mistake of ours
  createInterface(child.stderr).on('line', (line) => lines.push(`unforeseen: ${line}`))
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  return { robot, bridge: { child, lines } satisfies Process }
}

/** Resolves when the bus has heard of this mark, which the bridge passed on after all frames before it. */
async function followMarks(robot: Bus): Promise<(mark: number) => Promise<void>> {
  let newest = 0
  await robot.subscribe(
    topics.cloud,
    ({ mark }) => {
      if (typeof mark === 'number') newest = Math.max(newest, mark)
    },
    { type: 'activity_clear' },
  )
  return async (mark) => {
    await until(() => newest >= mark, { deadline: 30_000, every: 2, show: () => ({ newest, mark }) })
  }
}

/** Resident memory of the process, MiB, after it has collected its garbage. */
async function memoryOf(child: ChildProcess): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    child.kill('SIGUSR2')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    least = Math.min(least, Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024)
  }
  return least
}

/** Signalling and commands, there and back. */
async function assertWorks(socket: RobotSocket, robot: Bus): Promise<void> {
  const asked = await collect(robot, topics.request)
  await robot.subscribe(
    topics.command,
    ({ id, name }) => robot.publish(topics.commandResult, { id, name, success: true }),
    { name: 'list_songs' },
  )
  socket.send({ type: 'webrtc_request', session_id: 'after', ice_servers: [] })
  await asked.next({ where: ({ session_id }) => session_id === 'after', within: 10_000 })
  await robot.publish(topics.offer, { session_id: 'after', sdp: { type: 'offer', sdp: 'v=0' } })
  await socket.next(({ type, session_id }) => type === 'webrtc_offer' && session_id === 'after', 10_000)
  // hostile commands may still be pending, and then further ones are refused
  let tries = 0
  const isCarriedOut = async () => {
    const id = `after ${++tries}`
    socket.send({ type: 'command', command: 'list_songs', id })
    const ack = await socket.next((frame) => frame.type === 'command_ack' && frame.id === id, 10_000)
    return ack.success === true
  }
  await until(isCarriedOut, { deadline: 20_000, every: 500, show: () => ({ tries }) })
}

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { memoryAfterCollection, startBridgeProcess } from '../bridge-process.ts'
import { hostileFrames } from './hostile-frames.ts'

/** Frames between two checks whether the bridge has handled all of them. */
const BATCH = 500

/** What became of the bridge. */
export interface FuzzResult {
  /** Resident memory after a collection, MiB: after the first frames and at the end; NaN if not measured. */
  warm: number
  end: number
  lines: number
  seconds: number
}

/**
 * Sends so many frames to a bridge in a process of its own, and checks that it still works afterwards. Memory is measured
 * after `warmUp` frames, if given, and at the end.
 */
export async function fuzz(
  t: TestContext,
  { frames, warmUp = 0, seed }: { frames: number; warmUp?: number; seed: number },
): Promise<FuzzResult> {
  const relay = await fakeRelay(t)
  await using broker = await startOpenBroker(createLogger('test', { write() {} }))
  const { robot, bridge } = await startBridgeProcess(t, relay, { logLevel: 'trace', port: broker.port })
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
      socket.send({ type: 'activity_cleared', mark: sent })
      await marks(sent)
      socket.frames.length = 0
      assert.equal(bridge.child.exitCode, null, bridge.lines.slice(-5).join('\n'))
    }
  }
  const measure = () => (warmUp > 0 ? memoryAfterCollection(bridge) : Number.NaN)
  await sendUntil(warmUp)
  const warm = await measure()
  await sendUntil(frames)
  const end = await measure()
  await assertWorks(socket, robot)
  assert.equal(socket.socket.readyState, socket.socket.OPEN, 'the link never broke')
  assert.equal(relay.attempts.length, 1)
  assert.ok(
    !bridge.lines.some((line) => /unforeseen|unhandled|"level":"(error|fatal)"/i.test(line)),
    bridge.lines.join('\n'),
  )
  return { warm, end, lines: bridge.lines.length, seconds: (performance.now() - began) / 1000 }
}

/** Resolves when the bus has this mark, which the bridge publishes after all frames before it. */
async function followMarks(robot: Bus): Promise<(mark: number) => Promise<unknown>> {
  const marks = await collect(robot, topics.cloud, { type: 'activity_cleared' })
  return (mark) => marks.next({ where: (payload) => payload.mark === mark, within: 30_000 })
}

/** Signaling and commands, there and back. */
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

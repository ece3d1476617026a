import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import type { FakeRelay } from '#test/helpers/fake-relay.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from './bridge.ts'

/** What the relay says of a recorded clip. */
export const clip = (command_id: string, updated_at?: unknown, more = {}) => ({
  type: 'voice_command_updated',
  dog_id: 'd1',
  command_id,
  updated_at,
  audio_url: `/api/voice-commands/file/u/d1/${command_id}`,
  ...more,
})

/** A bridge that is online, what it says on `cloud/#`, and a way to wait until all frames so far are dealt with. */
export async function startCloud(
  t: TestContext,
  relay: FakeRelay,
  options: Parameters<typeof startBridge>[2] = {},
) {
  const memory = options.memory ?? (await memoryBus(t))
  const observer = await memory.connect('observer')
  const dogs = await collect(observer, topics.cloudProfiles)
  const cloud = await collect(observer, topics.cloud)
  const state = await collect(observer, topics.relayBridgeState)
  const started = await startBridge(t, relay, { ...options, memory })
  const socket = await relay.robot()
  await started.link.next(online)
  let marks = 0
  const settled = async () => {
    const mark = ++marks
    socket.send({ type: 'activity_clear', mark })
    await cloud.next({ where: (payload) => payload.mark === mark, within: 5_000 })
  }
  const clips = () =>
    cloud.all
      .filter(({ params, payload }) => params.type.startsWith('voice_') && payload.mark === undefined)
      .map(({ payload }) => payload)
  /** Clips go to the bus one after another: all before this one have been told. */
  const told = async () => {
    const mark = randomUUID()
    socket.send(clip(`mark ${mark}`, 'v', { mark }))
    await cloud.next({ where: (payload) => payload.mark === mark, within: 10_000 })
  }
  return { ...started, dogs, cloud, state, socket, settled, told, clips }
}

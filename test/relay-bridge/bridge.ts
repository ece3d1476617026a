import type { TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { startRelayBridge } from '#services/relay-bridge/index.ts'
import { collect } from '#test/helpers/collect.ts'
import type { FakeRelay } from '#test/helpers/fake-relay.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

/** A bridge on an in-memory bus that dials this relay, and a robot service beside it. */
export async function startBridge(t: TestContext, relay: FakeRelay, times = {}) {
  const memory = await memoryBus(t)
  const [bus, robot] = [await memory.connect('relay-bridge'), await memory.connect('robot')]
  const link = await collect(robot, topics.link)
  const config = {
    cloud: CloudSection.parse({
      relay_url: relay.url,
      device_id: 'wimz_robot_99',
      device_secret: 's',
      reconnect_delay: 0.2,
    }),
    data_dir: './data',
  }
  const bridge = memory.use(await startRelayBridge({ bus, config, log: memory.log, env: {}, times }))
  return { memory, robot, link, bridge }
}

/** The link state to wait for before using the link. */
export const online = { where: ({ connected }: { connected: boolean }) => connected, within: 5_000 }

import type { TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { startRelayBridge } from '#services/relay-bridge/index.ts'
import type { FakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

type Deps = Parameters<typeof startRelayBridge>[0]

interface BridgeOptions extends Pick<Deps, 'times' | 'checkTimes' | 'telemetryTimes' | 'pairedWithin'> {
  dataDir?: string
  cloud?: Record<string, unknown>
  /** `webrtc.enabled` */
  video?: boolean
  /** The secret as the config says now. */
  reload?: () => string
  /** A bus that is there already. */
  memory?: Awaited<ReturnType<typeof memoryBus>>
}

/** A bridge on an in-memory bus that dials this relay, and a robot service beside it. */
export async function startBridge(
  t: TestContext,
  relay: Pick<FakeRelay, 'url'>,
  { dataDir = temporaryFolder(t), cloud = {}, video = true, memory, reload, ...deps }: BridgeOptions = {},
) {
  memory ??= await memoryBus(t)
  const [bus, robot] = [await memory.connect('relay-bridge'), await memory.connect('robot')]
  const link = await collect(robot, topics.link)
  const config = {
    cloud: CloudSection.parse({
      relay_url: relay.url,
      device_id: 'wimz_robot_99',
      device_secret: TEST_SECRET,
      reconnect_delay: 0.2,
      ...cloud,
    }),
    webrtc: { enabled: video },
    data_dir: dataDir,
  }
  const again = reload && {
    reload: () => ({ ...config, cloud: { ...config.cloud, device_secret: reload() } }),
  }
  const bridge = memory.use(
    await startRelayBridge({ bus, config, log: memory.log, env: {}, ...again, ...deps }),
  )
  return { memory, robot, link, bridge, bus, dataDir }
}

/** The link state to wait for before using the link. */
export const online = { where: ({ connected }: { connected: boolean }) => connected, within: 10_000 }

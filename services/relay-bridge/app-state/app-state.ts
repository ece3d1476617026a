import type { Deps } from '#lib/process/service.ts'
import type { BridgeConfig } from '../config.ts'
import type { Link } from '../connection/relay-connection.ts'
import { CloudMessages } from './cloud-messages.ts'
import { Telemetry, type TelemetryTimes } from './telemetry.ts'

export interface AppSideDeps extends Deps<BridgeConfig> {
  link: () => Pick<Link, 'send' | 'registered'> | undefined
  relay: URL
  /** Shorter in tests. */
  telemetryTimes?: TelemetryTimes | undefined
  pairedWithin?: number | undefined
}

/** What apps are told of the robot's state, and what the relay tells beside signalling and commands. */
export interface AppSide extends AsyncDisposable {
  readonly cloud: CloudMessages
  /** The relay knows us. */
  registered(): void
  /** An app came or went; null: the relay has not said. */
  appPresent(present: boolean | null): void
}

/** Resolves when it listens on the bus and what was kept on the disk is said again. */
export async function startAppSide(deps: AppSideDeps): Promise<AppSide> {
  const { bus, config, log, link, relay } = deps
  await using stack = new AsyncDisposableStack()
  const telemetry = stack.use(
    new Telemetry({
      bus,
      link,
      log,
      deviceId: config.cloud.device_id,
      shareHotspotPassword: config.cloud.share_hotspot_password,
      times: deps.telemetryTimes,
    }),
  )
  await telemetry.listen()
  const online = () => link()?.registered ?? false
  const { data_dir: dataDir } = config
  const cloud = stack.use(
    new CloudMessages({ bus, log, dataDir, relay, online, pairedWithin: deps.pairedWithin }),
  )
  await cloud.restore()
  const owned = stack.move()
  return {
    cloud,
    registered() {
      telemetry.registered()
      cloud.registered()
    },
    appPresent(present) {
      if (present !== null) telemetry.appPresent(present)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

import type { Link as LinkMessage } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { type Deps, defineService } from '#lib/service.ts'
import { createTally } from '#lib/tally.ts'
import { VERSION } from '#lib/version.ts'
import { type AppSideDeps, startAppSide } from './app-side.ts'
import { CommandGate } from './command-gate.ts'
import { type BridgeConfig, config } from './config.ts'
import { FromRelay } from './from-relay.ts'
import { type Link, runLink } from './link.ts'
import { relayAddress, shownAddress } from './relay-address.ts'
import { SOCKET_TIMES, type SocketTimes } from './relay-socket.ts'
import { forwardToRelay } from './to-relay.ts'

export const relayBridge = defineService({
  name: 'relay-bridge',
  config,
  mayBeMissing: ['cloud.device_id', 'cloud.device_secret'],
  start: startRelayBridge,
})

interface BridgeDeps extends Deps<BridgeConfig>, Pick<AppSideDeps, 'telemetryTimes' | 'pairedWithin'> {
  /** Shorter in tests. */
  times?: Partial<SocketTimes>
  env?: Readonly<Record<string, string | undefined>>
}

/** Joins the bus and the cloud relay. Resolves when it listens on the bus; the relay may be away. */
export async function startRelayBridge(deps: BridgeDeps): Promise<AsyncDisposable> {
  const { bus, config, log, env = process.env } = deps
  const disabled = whyDisabled(config)
  if (disabled) {
    log.warn(disabled)
    await bus.publish(topics.link, disabledLink(config))
    return { [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const { device_id: deviceId, device_secret: secret } = config.cloud
  const url = relayAddress(config.cloud.relay_url, env.RELAY_URL)
  await using stack = new AsyncDisposableStack()
  const tally = stack.use(createTally(log, 'not sent: no link to the relay'))
  let link: Link | undefined
  const commands = new CommandGate(bus, deviceId, () => link)
  await commands.listen()
  await forwardToRelay({ bus, link: () => link, deviceId, tally })
  const apps = stack.use(await startAppSide({ ...deps, link: () => link, relay: url }))
  const note: Link['note'] = (facts) => {
    link?.note(facts)
    if (facts.app_present !== undefined) apps.appPresent(facts.app_present)
  }
  const send: Link['send'] = (frame) => link?.send(frame) ?? false
  const fromRelay = stack.use(
    new FromRelay({ bus, link: { send, note }, commands, cloud: apps.cloud, deviceId, log }),
  )
  link = stack.use(
    runLink({
      url,
      credentials: { deviceId, secret },
      reconnectDelay: config.cloud.reconnect_delay * 1000,
      times: { ...SOCKET_TIMES, ...deps.times },
      log,
      onState: (state) => publishLink(deps, state),
      onOpen() {
        send({ type: 'robot_connected', device_id: deviceId, version: VERSION })
        // its pong is the first proof that we are registered (API_CONTRACT 1.6)
        send({ type: 'ping' })
      },
      onRegistered: () => apps.registered(),
      onText: (text) => fromRelay.take(text),
    }),
  )
  stack.use(startHeartbeat(deviceId, config.cloud.heartbeat_interval * 1000, () => link))
  stack.use(commands)
  stack.defer(() => void send({ type: 'robot_disconnecting', device_id: deviceId }))
  return stack.move()
}

function whyDisabled({ cloud }: BridgeConfig): string | undefined {
  if (!cloud.enabled) return 'cloud.enabled is false: no relay'
  const missing = [!cloud.device_id && 'DEVICE_ID', !cloud.device_secret && 'DEVICE_SECRET'].filter(Boolean)
  if (missing.length === 0) return undefined
  return `no relay: ${missing.join(' and ')} not set; set cloud.device_id and cloud.device_secret, or those variables`
}

function disabledLink({ cloud }: BridgeConfig): LinkMessage {
  return {
    state: 'disabled',
    connected: false,
    url: shownAddress(cloud.relay_url),
    since: Date.now(),
    attempts: 0,
    last_close: null,
    next_retry_ms: null,
    app_present: null,
    outbox: { depth: 0, dropped: 0 },
  }
}

function publishLink({ bus, log }: BridgeDeps, state: LinkMessage): void {
  bus.publish(topics.link, state).catch((err: unknown) => log.warn({ err }, 'link state not published'))
}

function startHeartbeat(deviceId: string, every: number, link: () => Link | undefined): Disposable {
  const timer = setInterval(() => {
    if (!link()?.registered) return
    link()?.send({ type: 'heartbeat', device_id: deviceId, timestamp: Math.floor(Date.now() / 1000) })
  }, every)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

import { join } from 'node:path'
import { topics } from '#bus/topics.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import { relayAddress, shownAddress } from '#lib/http/relay-address.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { Registry } from '#lib/metrics/prometheus.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { VERSION } from '#lib/version.ts'
import { CloudMessages } from './app-state/cloud-messages.ts'
import { Telemetry, type TelemetryTimes } from './app-state/telemetry.ts'
import { RelayCommands } from './commands/relay-commands.ts'
import { type BridgeConfig, config } from './config.ts'
import { authHeaders, createCredentials } from './connection/credentials.ts'
import { LastConnection } from './connection/last-connection-state.ts'
import { RelayClock } from './connection/relay-clock.ts'
import { initialState, RelayConnection } from './connection/relay-connection.ts'
import { SOCKET_TIMES, type SocketTimes } from './connection/relay-socket.ts'
import {
  CHECK_TIMES,
  type CheckTimes,
  StaleRegistrationCheck,
} from './connection/stale-registration-check.ts'
import { createMetrics } from './metrics.ts'
import { storeEvents } from './outbox/event-intake.ts'
import { Outbox } from './outbox/outbox.ts'
import { OutboxSender, type SenderTimes } from './outbox/outbox-sender.ts'
import type { Bounds } from './outbox/outbox-store.ts'
import { InboundFrames } from './signaling/inbound.ts'
import { forwardToRelay } from './signaling/outbound.ts'
import { PendingRequests } from './signaling/pending-requests.ts'
import { SnapshotForwarder } from './signaling/snapshot-forwarder.ts'

export const relayBridge = defineService({
  name: 'relay-bridge',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startRelayBridge,
})

interface BridgeDeps extends Deps<BridgeConfig> {
  /** Shorter in tests, as the next four. */
  times?: Partial<SocketTimes>
  checkTimes?: Partial<CheckTimes>
  senderTimes?: Partial<SenderTimes>
  telemetryTimes?: TelemetryTimes
  pairedWithin?: number
  bounds?: Bounds
  env?: Readonly<Record<string, string | undefined>>
}

/** Connects the bus with the cloud relay. Resolves when it has subscribed on the bus; the relay may be unreachable. */
export async function startRelayBridge(deps: BridgeDeps): Promise<AsyncDisposable> {
  const disabled = whyDisabled(deps.config)
  if (disabled) {
    deps.log.warn(disabled)
    await deps.bus.publish(topics.link, initialState('disabled', shownAddress(deps.config.cloud.relay_url)))
    const watchdog = new AsyncDisposableStack()
    // the second guard of what drives over the data channel, without a relay as well (docs/motor-safety.md)
    watchdog.use(await MotorGuard.open({ bus: deps.bus, source: 'relay' }))
    return watchdog
  }
  await using stack = new AsyncDisposableStack()
  const parts = await buildParts(deps, stack)
  connectEvents(deps, parts)
  const { connection, outbox, deviceId } = parts
  await Promise.all([
    parts.commands.listen(),
    parts.telemetry.listen(),
    parts.cloud.restore(),
    parts.requests.listen(),
    forwardToRelay({ bus: deps.bus, log: deps.log, ...parts }),
  ])
  connection.setDetail({ outbox: outbox.state })
  connection.start()
  stack.use(connection)
  const [events] = await Promise.all([
    storeEvents({ ...deps, ...parts, onStored: () => parts.sender.stored() }),
    // hotspot mode: from there no relay can be reached
    deps.bus.subscribe(topics.telemetry, (state) => connection.pause(state?.mode === 'ap'), {
      source: 'network_state',
    }),
  ])
  stack.use(events)
  stack.use(startHeartbeat(parts, deps.config.cloud.heartbeat_interval * 1000))
  stack.use(parts.commands)
  stack.defer(() => void connection.send({ type: 'robot_disconnecting', device_id: deviceId }))
  return stack.move()
}

type Parts = Awaited<ReturnType<typeof buildParts>>

async function buildParts(deps: BridgeDeps, stack: AsyncDisposableStack) {
  const { bus, config, log, env = process.env } = deps
  const { cloud, data_dir: dataDir } = config
  const { device_id: deviceId } = cloud
  const relay = relayAddress(cloud.relay_url, env.RELAY_URL)
  const last = stack.use(await LastConnection.load(join(dataDir, 'relay-connection.json'), log))
  const outbox = stack.use(await Outbox.open(join(dataDir, 'outbox.db'), { log, bounds: deps.bounds }))
  const credentials = createCredentials(deps)
  const auth = () => authHeaders(credentials(), 'id:timestamp')
  const connection = new RelayConnection({
    url: relay,
    last,
    log,
    credentials,
    reconnectDelay: cloud.reconnect_delay * 1000,
    times: { ...SOCKET_TIMES, ...deps.times },
  })
  const clock = stack.use(new RelayClock(log))
  const limits = cloud.command_limits
  const commands = new RelayCommands({ bus, deviceId, connection, clock, limits, log })
  const telemetry = stack.use(
    new Telemetry({
      ...{ bus, connection, log, deviceId },
      shareHotspotPassword: cloud.share_hotspot_password,
      times: deps.telemetryTimes,
    }),
  )
  const messages = { bus, log, dataDir, relay, connection, pairedWithin: deps.pairedWithin }
  const cloudMessages = stack.use(new CloudMessages(messages))
  const check = stack.use(
    new StaleRegistrationCheck({ deviceId, relay, auth, log, times: { ...CHECK_TIMES, ...deps.checkTimes } }),
  )
  const requests = stack.use(new PendingRequests({ bus, log, videoEnabled: config.webrtc.enabled }))
  const snapshots = stack.use(new SnapshotForwarder({ bus, log, deviceId, connection }))
  const inbound = stack.use(
    new InboundFrames({ bus, log, deviceId, relay, commands, requests, snapshots, cloud: cloudMessages }),
  )
  return {
    ...{ relay, auth, deviceId, outbox, connection, clock, commands, telemetry, check, requests, inbound },
    cloud: cloudMessages,
    sender: new OutboxSender(outbox, log, deps.senderTimes),
    discarded: stack.use(createEventCounter(log, 'not sent: no relay connection')),
    recordMetrics: createMetrics(deps.metrics ?? new Registry()),
  }
}

function connectEvents({ bus, log }: BridgeDeps, parts: Parts): void {
  const { connection, deviceId, sender, commands, telemetry, check, inbound, outbox, clock } = parts
  connection.on('state', (state) => {
    parts.recordMetrics(state)
    bus
      .publish(topics.link, state)
      .catch((err: unknown) => log.warn({ err }, 'connection state not published'))
  })
  connection.on('date', (date, took) => clock.setFromDate(date, took))
  connection.on('open', () => {
    connection.send({ type: 'robot_connected', device_id: deviceId, version: VERSION })
    sender.opened(connection)
  })
  connection.on('registered', (facts) => {
    telemetry.registered()
    parts.cloud.registered()
    check.registered(facts)
    clock.follow(parts.relay, parts.auth)
    sender.registered(connection)
  })
  connection.on('text', (text) => inbound.ingest(text))
  connection.on('lost', (disconnect) => {
    commands.halt()
    check.lost()
    sender.lost(disconnect)
  })
  outbox.on('failed', (err) => {
    throw err // uncaught: the process exits, and its supervisor restarts it
  })
  outbox.on('counts', () => connection.setDetail({ outbox: outbox.state }))
  check.on('stale', (reason) => connection.redial(reason))
  parts.requests.on('failed', (session_id, error) => {
    connection.send({ type: 'webrtc_error', device_id: deviceId, session_id, error })
  })
  parts.requests.on('restarted', () => inbound.endPlayers())
  inbound.on('reply', (frame) => connection.send(frame))
  inbound.on('pong', () => sender.pong())
  inbound.on('routed', () => check.routed())
  inbound.on('appPresent', (present) => {
    connection.setDetail({ app_present: present })
    telemetry.appPresent(present)
  })
}

function whyDisabled({ cloud }: BridgeConfig): string | undefined {
  if (!cloud.enabled) return 'cloud.enabled is false: no relay'
  const missing = [!cloud.device_id && 'DEVICE_ID', !cloud.device_secret && 'DEVICE_SECRET'].filter(Boolean)
  if (missing.length === 0) return undefined
  return `no relay: ${missing.join(' and ')} not set; set cloud.device_id and cloud.device_secret, or those variables`
}

function startHeartbeat({ connection, deviceId }: Parts, intervalMs: number): Disposable {
  const timer = setInterval(() => {
    if (!connection.registered) return
    connection.send({ type: 'heartbeat', device_id: deviceId, timestamp: Math.floor(Date.now() / 1000) })
  }, intervalMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

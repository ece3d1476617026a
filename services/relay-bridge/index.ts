import { join } from 'node:path'
import { Registry } from 'prom-client'
import type { RelayConnectionState as LinkMessage } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { VERSION } from '#lib/version.ts'
import { type AppSideDeps, startAppSide } from './app-state/app-state.ts'
import { ActuatorLimits } from './commands/actuators.ts'
import { CommandGate } from './commands/command-gate.ts'
import { type BridgeConfig, config } from './config.ts'
import { createCredentials } from './connection/credentials.ts'
import { followHotspot } from './connection/hotspot.ts'
import { LastConnection } from './connection/last-connection-state.ts'
import { relayAddress, shownAddress } from './connection/relay-address.ts'
import { RelayClock } from './connection/relay-clock.ts'
import { type Link, type LinkOptions, runLink } from './connection/relay-connection.ts'
import { SOCKET_TIMES, type SocketTimes } from './connection/relay-socket.ts'
import { GHOST_TIMES, GhostCheck, type GhostTimes } from './connection/stale-registration-check.ts'
import { createMetrics } from './metrics.ts'
import { takeEvents } from './outbox/event-intake.ts'
import { Outbox } from './outbox/outbox.ts'
import { OutboxSender, type SenderTimes } from './outbox/outbox-sender.ts'
import type { Bounds, Counts } from './outbox/outbox-store.ts'
import type { Frame } from './protocol/frame.ts'
import { FromRelay } from './signaling/inbound.ts'
import { forwardToRelay } from './signaling/outbound.ts'

export const relayBridge = defineService({
  name: 'relay-bridge',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startRelayBridge,
})

interface BridgeDeps extends Deps<BridgeConfig>, Pick<AppSideDeps, 'telemetryTimes' | 'pairedWithin'> {
  /** Shorter in tests. */
  times?: Partial<SocketTimes>
  ghostTimes?: Partial<GhostTimes>
  senderTimes?: Partial<SenderTimes>
  bounds?: Bounds
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
  const relay = relayAddress(config.cloud.relay_url, env.RELAY_URL)
  await using stack = new AsyncDisposableStack()
  const line = new Line()
  const parts = await startParts(deps, { stack, line, relay })
  line.link = stack.use(runLink(linkOptions(deps, { line, relay, ...parts })))
  line.note({ outbox: shownCounts(parts.outbox.counts) })
  stack.use(await takeEvents({ ...deps, ...parts, link: line, onStored: () => parts.sender.stored() }))
  await followHotspot(bus, line.link)
  stack.use(startHeartbeat(parts.deviceId, config.cloud.heartbeat_interval * 1000, line))
  stack.use(parts.commands)
  stack.defer(() => void line.send({ type: 'robot_disconnecting', device_id: parts.deviceId }))
  return stack.move()
}

/** The link as the other parts see it: they are there before it. */
class Line {
  link: Link | undefined
  get registered(): boolean {
    return this.link?.registered ?? false
  }
  send(frame: Frame): boolean {
    return this.link?.send(frame) ?? false
  }
  note(facts: Parameters<Link['note']>[0]): void {
    this.link?.note(facts)
  }
}

type Parts = Awaited<ReturnType<typeof startParts>>

/** Everything that speaks through the link. */
async function startParts(
  deps: BridgeDeps,
  { stack, line, relay }: { stack: AsyncDisposableStack; line: Line; relay: URL },
) {
  const { bus, config, log } = deps
  const { device_id: deviceId } = config.cloud
  const path = (name: string) => join(config.data_dir, name)
  const last = stack.use(await LastConnection.load(path('relay-connection.json'), log))
  const outbox = stack.use(await openOutbox(deps, path('outbox.db'), line))
  const tally = stack.use(createEventCounter(log, 'not sent: no link to the relay'))
  const clock = stack.use(new RelayClock(log))
  const limits = new ActuatorLimits(config.cloud.command_limits)
  const commands = new CommandGate({ bus, deviceId, link: () => line, clock, limits, log })
  await commands.listen()
  await forwardToRelay({ bus, link: () => line, deviceId, tally })
  const apps = stack.use(await startAppSide({ ...deps, link: () => line, relay }))
  const times = { ...GHOST_TIMES, ...deps.ghostTimes }
  const redial = (reason: string) => line.link?.redial(reason)
  const ghost = stack.use(new GhostCheck({ deviceId, relay, log, times, redial }))
  const sender = new OutboxSender(outbox, log, deps.senderTimes)
  const note: Link['note'] = (facts) => {
    line.note(facts)
    if (facts.app_present !== undefined) apps.appPresent(facts.app_present)
  }
  const fromRelay = stack.use(
    new FromRelay({
      ...{
        bus,
        link: { send: (frame) => line.send(frame), note },
        commands,
        cloud: apps.cloud,
        deviceId,
        log,
      },
      onPong: () => sender.ponged(),
      onRouted: () => ghost.routed(),
    }),
  )
  const measure = createMetrics(deps.metrics ?? new Registry())
  return { measure, clock, deviceId, last, outbox, tally, commands, apps, ghost, sender, fromRelay }
}

function linkOptions(
  deps: BridgeDeps,
  { line, relay, ...parts }: Parts & { line: Line; relay: URL },
): LinkOptions {
  const { apps, ghost, sender } = parts
  return {
    url: relay,
    last: parts.last,
    log: deps.log,
    credentials: createCredentials(deps),
    reconnectDelay: deps.config.cloud.reconnect_delay * 1000,
    times: { ...SOCKET_TIMES, ...deps.times },
    onState(state) {
      parts.measure(state)
      publishLink(deps, state)
    },
    onDate: (date, took) => parts.clock.heardDate(date, took),
    onOpen() {
      line.send({ type: 'robot_connected', device_id: parts.deviceId, version: VERSION })
      // its pong is the first proof that we are registered (API_CONTRACT 1.6)
      if (line.link) sender.opened(line.link)
    },
    onRegistered(facts) {
      apps.registered()
      ghost.registered(facts)
      parts.clock.follow(relay)
      if (line.link) sender.registered(line.link)
    },
    onText: (text) => parts.fromRelay.take(text),
    onLost(ending) {
      parts.commands.halt()
      ghost.lost()
      sender.lost(ending)
    },
  }
}

function openOutbox(deps: BridgeDeps, path: string, line: Line): Promise<Outbox> {
  const { log, bounds } = deps
  const onCounts = (counts: Counts) => line.note({ outbox: shownCounts(counts) })
  return Outbox.open(path, { log, onCounts, ...(bounds ? { bounds } : {}) })
}

function shownCounts({ depth, dropped }: Counts): LinkMessage['outbox'] {
  return { depth, dropped }
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

function startHeartbeat(deviceId: string, every: number, line: Line): Disposable {
  const timer = setInterval(() => {
    if (!line.registered) return
    line.send({ type: 'heartbeat', device_id: deviceId, timestamp: Math.floor(Date.now() / 1000) })
  }, every)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

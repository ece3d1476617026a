import type { Socket } from 'node:net'
import { z } from 'zod'
import { ControlRights } from '#commands/controls.ts'
import { BusSection, DataDir } from '#lib/config-schema.ts'
import { watchFiles } from '#lib/file-watch.ts'
import type { Logger } from '#lib/logger.ts'
import { isLoopback } from '#lib/loopback.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { defineUnit } from '#lib/process/service.ts'
import type { QueueLimits } from './aedes/message-queues.ts'
import { type Authorizer, UserAuthorizer } from './auth/authorizer.ts'
import { ProvisionedSessions } from './auth/provisioned-sessions.ts'
import { loadUsers } from './auth/service-passwords.ts'
import type { Users } from './auth/users.ts'
import { type Broker, createBroker } from './broker.ts'
import { BrokerSection, isOpenTo, isTls, type Listener } from './config.ts'
import type { BackpressureLimits } from './limits/backpressure.ts'
import { ConnectionLimiter } from './limits/connection-limiter.ts'
import { InputScheduler } from './limits/input-scheduler.ts'
import { LargePackets } from './limits/large-packets.ts'
import { releaseMemory } from './limits/memory-release.ts'
import { type Incoming, serveConnection } from './listeners/connection.ts'
import { type OpenListener, openListener } from './listeners/listeners.ts'
import { startStatePublisher } from './stats/state-publisher.ts'
import { answerUnhandledCommands } from './unhandled-commands.ts'

/** Whether the robot has a relay-bridge. */
const CloudSwitch = z.looseObject({ enabled: z.boolean().default(true) }).prefault({})

const config = {
  broker: BrokerSection,
  bus: BusSection,
  cloud: CloudSwitch,
  homeassistant: ControlRights,
  data_dir: DataDir,
}

export const broker = defineUnit({
  name: 'broker',
  config,
  // only the relay-bridge needs the robot's identity
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startBroker,
})

/** Users whose rights a reload must not reduce: without them the robot does not work. */
const SERVICES = ['relay-bridge', 'webrtc', 'vision']

interface BrokerDeps {
  config: {
    broker: BrokerSection
    bus: BusSection
    cloud?: { enabled: boolean }
    homeassistant?: z.infer<typeof ControlRights>
    data_dir: string
  }
  log: Logger
  backpressure?: BackpressureLimits
  queues?: QueueLimits
  /** Milliseconds between two reports. */
  reportInterval?: number
  /** Milliseconds between two looks at users file and certificates. */
  pollInterval?: number
}

/** A running broker with its listeners. */
export interface RunningBroker extends AsyncDisposable {
  /** TCP port of `broker.host`; differs from the config if that says 0. */
  readonly port: number
  /** All listeners, that one first. */
  readonly listeners: readonly OpenListener[]
  /** Counters since the start. */
  readonly totals: Broker['totals']
  /** Reads users and certificates again. Logs what is invalid and keeps the current ones. */
  reload(): void
}

/** Starts the broker. Throws a ConfigError if an address, a certificate or the users file is unusable. */
export async function startBroker(deps: BrokerDeps): Promise<RunningBroker> {
  const { config, log, backpressure, queues, reportInterval, pollInterval } = deps
  await using stack = new AsyncDisposableStack()
  const sockets = new Set<Socket>()
  stack.defer(() => destroyAll(sockets))
  const { prefix } = config.bus
  const login = loadUsers(config, log)
  warnOfMissingServices(login.users, config.bus, log)
  let authorizer: UserAuthorizer | undefined
  const createAuthorizer = (counters: EventCounter, discardSession: (id: string) => void): Authorizer => {
    authorizer = new UserAuthorizer({ ...login, counters, log, discardSession })
    return authorizer
  }
  const mqtt = stack.use(await createBroker({ log, createAuthorizer, prefix, backpressure, queues }))
  answerUnhandledCommands(mqtt.aedes, prefix)
  // with the cloud disabled no relay-bridge would fetch the messages that are queued for it
  const disabled = config.cloud?.enabled === false ? ['relay-bridge'] : []
  const sessions = new ProvisionedSessions(mqtt, disabled)
  await sessions.apply(login.users)
  const listeners = await openListeners(stack, mqtt, { section: config.broker, sockets, log })
  stack.use(releaseMemory({ received: () => mqtt.traffic.bytes.read }))
  const offlineSessions = () => authorizer?.offlineSessions ?? 0
  stack.use(await startStatePublisher(mqtt, { prefix, offlineSessions, interval: reportInterval }))
  const reload = () => {
    reloadCertificates(listeners, log)
    reloadUsers(config, { authorizer, sessions }, log)
  }
  stack.use(watchFiles(reloadedFiles(config.broker), reload, pollInterval))
  process.on('SIGHUP', reload)
  stack.defer(() => void process.off('SIGHUP', reload))
  const owned = stack.move()
  const port = listeners[0]?.port ?? 0
  return { port, listeners, totals: mqtt.totals, reload, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function openListeners(
  stack: AsyncDisposableStack,
  mqtt: Broker,
  { section, sockets, log }: { section: BrokerSection; sockets: Set<Socket>; log: Logger },
): Promise<OpenListener[]> {
  const { limits, ws_origins: origins } = section
  const maxBytes = limits.max_packet_bytes
  const limiter = new ConnectionLimiter(limits, mqtt.counters)
  const largePackets = new LargePackets()
  const scheduler = new InputScheduler()
  const deps = { mqtt, maxBytes, largePackets, scheduler }
  const onConnection = (incoming: Incoming) => serveConnection(incoming, deps)
  const opened: OpenListener[] = []
  for (const listener of configuredListeners(section)) {
    const open = stack.use(
      await openListener(listener, { limiter, maxBytes, origins, sockets, onConnection }),
    )
    logListener(listener, open.port, log)
    opened.push(open)
  }
  return opened
}

function configuredListeners({ host, port, ws_port, listeners }: BrokerSection): Listener[] {
  const webSocket: Listener[] = ws_port === null ? [] : [{ type: 'ws', host, port: ws_port }]
  return [{ type: 'mqtt', host, port }, ...webSocket, ...listeners]
}

/** Users file, certificates and keys. */
function reloadedFiles({ users_file, listeners }: BrokerSection): string[] {
  return [
    users_file,
    ...listeners.flatMap(({ cert, key }) => [cert, key]).filter((path) => path !== undefined),
  ]
}

function logListener({ type, host }: Listener, port: number, log: Logger): void {
  const credentials = !isOpenTo(type, host)
  log.info({ type, host, port, credentials }, 'listener opened')
  if (credentials && !isTls(type) && !isLoopback(host)) {
    log.warn({ type, host, port }, 'passwords cross this network unencrypted: prefer mqtts or wss')
  }
}

function reloadCertificates(listeners: readonly OpenListener[], log: Logger): void {
  for (const listener of listeners) {
    try {
      listener.reload()
    } catch (err) {
      log.error({ err, port: listener.port }, 'certificate reload failed; keeping the current one')
    }
  }
}

function warnOfMissingServices({ byName }: Users, { username }: BusSection, log: Logger): void {
  // the services use that one, or none
  if (username !== undefined || byName.size === 0) return
  const users = SERVICES.filter((name) => !byName.has(name))
  if (users.length > 0) log.warn({ users }, 'broker.users_file lacks these services: they cannot log in')
}

interface Reloadable {
  authorizer: UserAuthorizer | undefined
  sessions: ProvisionedSessions
}

function reloadUsers(config: BrokerDeps['config'], { authorizer, sessions }: Reloadable, log: Logger): void {
  try {
    const { users } = loadUsers(config, log)
    const services = [...SERVICES, ...(config.bus.username === undefined ? [] : [config.bus.username])]
    authorizer?.reload(users, services)
    sessions
      .apply(users)
      .catch((err: unknown) => log.error({ err }, 'sessions reload failed; keeping the current ones'))
    log.info('users and certificates reloaded')
  } catch (err) {
    log.error({ err }, 'users reload failed; keeping the current ones')
  }
}

/** Includes connections without a CONNECT, which Aedes does not close. */
function destroyAll(sockets: Set<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

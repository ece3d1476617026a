import type { Socket } from 'node:net'
import { z } from 'zod'
import { BusSection, DataDir } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { isLoopback } from '#lib/loopback.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { defineUnit } from '#lib/process/service.ts'
import type { QueueBounds } from './aedes/offline-queues.ts'
import { type Access, UserAccess } from './auth/authorizer.ts'
import { setOrigin } from './auth/peer-address.ts'
import { StandingSessions } from './auth/provisioned-sessions.ts'
import { loadUsers } from './auth/service-passwords.ts'
import { type Broker, createBroker, STREAM_HIGH_WATER_MARK } from './broker.ts'
import { BrokerSection, isOpenTo, isTls, type Listener } from './config.ts'
import type { WaitingBounds } from './limits/backpressure.ts'
import { Admission } from './limits/connection-limiter.ts'
import { meterPackets } from './limits/packet-size-limiter.ts'
import { boundBytesBeforeLogin } from './limits/preauth-limit.ts'
import { setHighWaterMarks } from './limits/stream-buffers.ts'
import { type Incoming, type OpenListener, openListener } from './listeners/listeners.ts'
import { startStatePublisher } from './stats/state-publisher.ts'

/** Whether there is a relay-bridge. */
const CloudSwitch = z.looseObject({ enabled: z.boolean().default(true) }).prefault({})

const config = { broker: BrokerSection, bus: BusSection, cloud: CloudSwitch, data_dir: DataDir }

export const broker = defineUnit({
  name: 'broker',
  config,
  // the robot's identity is the relay-bridge's alone
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startBroker,
})

interface BrokerDeps {
  config: { broker: BrokerSection; bus: BusSection; cloud?: { enabled: boolean }; data_dir: string }
  log: Logger
  bounds?: WaitingBounds
  queues?: QueueBounds
  /** Time between two reports, ms. */
  reportEvery?: number
}

/** A running broker that listens. */
export interface RunningBroker extends AsyncDisposable {
  /** TCP port of `broker.host`; useful where the config says 0. */
  readonly port: number
  /** All that listens, that one first. */
  readonly listeners: readonly OpenListener[]
  /** Mishaps since the start, by kind. */
  readonly totals: Broker['totals']
  /** Reads users and certificates again; what is wrong is logged, and the old stay. */
  reload(): void
}

/** Largest packet of somebody who has not said who he is: a CONNECT with a last will, bytes. */
const MAX_BYTES_BEFORE = 64 * 1024
/** What a client may have sent beyond what is dealt with, bytes. */
const READ_AHEAD = 64 * 1024

/** Listens for MQTT clients. Throws a ConfigError when an address, a certificate or the users cannot be had. */
export async function startBroker(deps: BrokerDeps): Promise<RunningBroker> {
  const { config, log, bounds, queues } = deps
  await using stack = new AsyncDisposableStack()
  const sockets = new Set<Socket>()
  stack.defer(() => destroyAll(sockets))
  const login = loadUsers(config, log)
  let access: UserAccess | undefined
  const grant = (tally: EventCounter): Access => {
    access = new UserAccess({ ...login, tally, log })
    return access
  }
  const { prefix } = config.bus
  const mqtt = stack.use(await createBroker({ log, access: grant, prefix, bounds, queues }))
  // nobody would ever fetch what is kept for a bridge that is switched off
  const absent = config.cloud?.enabled === false ? ['relay-bridge'] : []
  const standing = new StandingSessions(mqtt, absent)
  await standing.keep(login.users)
  const { limits } = config.broker
  const admission = new Admission(limits, mqtt.tally)
  const onConnection = (incoming: Incoming) => serve(mqtt, incoming, limits.max_packet_bytes)
  const listeners: OpenListener[] = []
  for (const one of wanted(config.broker)) {
    const maxBytes = limits.max_packet_bytes
    listeners.push(stack.use(await openListener(one, { admission, maxBytes, sockets, onConnection })))
    tellOf(one, listeners.at(-1)?.port, log)
  }
  const away = () => access?.away ?? 0
  stack.use(await startStatePublisher(mqtt, { prefix, offlineSessions: away, interval: deps.reportEvery }))
  const reload = () => {
    reloadAll(listeners, log)
    loadAgain(config, { access, standing }, log)
  }
  process.on('SIGHUP', reload)
  stack.defer(() => void process.off('SIGHUP', reload))
  const owned = stack.move()
  const port = listeners[0]?.port ?? 0
  return { port, listeners, totals: mqtt.totals, reload, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function wanted({ host, port, ws_port, listeners }: BrokerSection): Listener[] {
  const webSocket: Listener[] = ws_port === null ? [] : [{ type: 'ws', host, port: ws_port }]
  return [{ type: 'mqtt', host, port }, ...webSocket, ...listeners]
}

function tellOf({ type, host }: Listener, port: number | undefined, log: Logger): void {
  const credentials = !isOpenTo(type, host)
  log.info({ type, host, port, credentials }, 'broker listens')
  if (credentials && !isTls(type) && !isLoopback(host)) {
    log.warn({ type, host, port }, 'passwords cross this network unencrypted: prefer mqtts or wss')
  }
}

function serve(mqtt: Broker, { stream, socket, address, local }: Incoming, maxBytes: number): void {
  setHighWaterMarks(stream, { read: READ_AHEAD, write: STREAM_HIGH_WATER_MARK })
  setOrigin(stream, { address, local })
  const { traffic, tally } = mqtt
  const client = mqtt.aedes.handle(stream)
  const known = () => client.connected
  const onTooLarge = () => tally.count('packets_too_large')
  meterPackets(stream, {
    maxBytes,
    maxBytesBefore: Math.min(maxBytes, MAX_BYTES_BEFORE),
    known,
    onPacket: (type, qos) => traffic.packet(type, qos),
    onTooLarge,
  })
  if (stream !== socket) {
    const onTooMuch = () => {
      onTooLarge()
      socket.destroy()
    }
    boundBytesBeforeLogin(socket, { maxBytes: 2 * MAX_BYTES_BEFORE, known, onTooMuch })
  }
  traffic.follow(socket)
}

function reloadAll(listeners: readonly OpenListener[], log: Logger): void {
  for (const listener of listeners) {
    try {
      listener.reload()
    } catch (err) {
      log.error({ err, port: listener.port }, 'certificate not taken, the old one stays')
    }
  }
}

interface Loaded {
  access: UserAccess | undefined
  standing: StandingSessions
}

function loadAgain(config: BrokerDeps['config'], { access, standing }: Loaded, log: Logger): void {
  try {
    const { users } = loadUsers(config, log)
    access?.reload(users)
    standing.keep(users).catch((err: unknown) => log.error({ err }, 'sessions not taken, the old ones stay'))
    log.info('users and certificates read again')
  } catch (err) {
    log.error({ err }, 'users not taken, the old ones stay')
  }
}

/** Also those that never said CONNECT, which Aedes does not know. */
function destroyAll(sockets: Set<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { parse, stringify } from 'yaml'
import { BrokerSection } from '#broker/config.ts'
import { startBroker } from '#broker/index.ts'
import type { Control } from '#commands/controls.ts'
import { refuseSecrets } from '#dev/harness/secrets.ts'
import { BusSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

/** A user with all rights, in addition to those of a default install. */
export const TESTER = 'tester'

interface Options {
  broker?: object
  cloud?: { enabled: boolean }
  bus?: object
  homeassistant?: { enabled: boolean; controls: Control[] }
  /** Additional users, as in configs/broker.yaml. */
  users?: Record<string, object>
  queues?: { messages: number; bytes: number; totalBytes: number }
  reportInterval?: number
  pollInterval?: number
}

type ConnectOptions = IClientOptions & { url?: string; onTopic?(topic: string): void }

/** The broker of a default install on free ports, with `tester` and additional users. Closed after the test. */
export async function startUsersBroker(t: TestContext, options: Options = {}) {
  const folder = temporaryFolder(t)
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const logged: Record<string, unknown>[] = []
  const log = createLogger('broker', {
    write(line) {
      refuseSecrets(line)
      logged.push(JSON.parse(line))
    },
  })
  log.level = 'debug'
  const usersFile = join(folder, 'broker.yaml')
  const writeUsers = (users: Record<string, object> = {}) =>
    writeFileSync(usersFile, stringify(usersOf(users)))
  writeUsers(options.users)
  const config = {
    broker: BrokerSection.parse({ port: 0, users_file: usersFile, ...options.broker }),
    bus: BusSection.parse(options.bus ?? {}),
    ...(options.cloud ? { cloud: options.cloud } : {}),
    ...(options.homeassistant ? { homeassistant: options.homeassistant } : {}),
    data_dir: folder,
  }
  const { queues, reportInterval, pollInterval } = options
  const broker = stack.use(
    await startBroker({
      config,
      log,
      ...(queues ? { queues } : {}),
      ...(reportInterval ? { reportInterval } : {}),
      ...(pollInterval ? { pollInterval } : {}),
    }),
  )
  const passwordOf = (user: string) => ensurePassword(folder, user)
  /** A client that does not reconnect. Rejects if its login is rejected. */
  const connect = async (user?: string, more: ConnectOptions = {}): Promise<MqttClient> => {
    const { url = `mqtt://127.0.0.1:${broker.port}`, onTopic, ...options } = more
    const login = user === undefined ? {} : { username: user, password: passwordOf(user) }
    const client = mqtt.connect(url, { reconnectPeriod: 0, ...login, ...options })
    stack.defer(() => client.endAsync(true))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    client.on('message', (topic) => onTopic?.(topic))
    client.on('error', reject)
    client.on('close', () => reject(new Error('closed')))
    client.on('connect', () => resolve())
    await promise
    return client
  }
  return { broker, connect, passwordOf, folder, logged, writeUsers }
}

function usersOf(more: Record<string, object>) {
  const file = parse(readFileSync('configs/broker.yaml', 'utf8'))
  const tester = { publish: ['#'], subscribe: ['#', '$SYS/#'], client_ids: ['*'] }
  return { ...file, users: { ...file.users, [TESTER]: tester, ...more } }
}

/** CONNACK's return code of a failed connect, MQTT 3.1.1 §3.2.2.3. */
export function codeOf(err: unknown): unknown {
  return (err as { code?: unknown }).code
}

/** Resolves when the client's connection has ended. */
export function closing(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()))
}

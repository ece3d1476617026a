import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { stringify } from 'yaml'
import { freePorts } from '#dev/harness/ports.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const SUBSCRIBE = 8
const SUBACK = 9
/** A service subscribes up to ten times, one after the other. */
const START_TIMEOUT_MS = 150_000
const SERVICES = ['relay-bridge', 'vision', 'webrtc', 'metrics', 'home-assistant']

/** What the proxy does with a packet: forward it now, after this many ms, or drop the connection. */
type Verdict = 'forward' | 'drop' | number

interface Rules {
  fromClient?(type: number, connection: number): Verdict
  fromBroker?(type: number): Verdict
}

for (const { title, rules } of [
  {
    title: 'every service starts with a broker that answers each SUBACK after 8 s',
    rules: () => ({ fromBroker: (type: number) => (type === SUBACK ? 8_000 : 'forward') }),
  },
  {
    title: 'every service starts with a broker that drops the first connection at the first SUBSCRIBE',
    rules: () => ({
      fromClient: (type: number, connection: number) =>
        type === SUBSCRIBE && connection === 0 ? 'drop' : 'forward',
    }),
  },
  {
    title: 'every service starts with a broker that drops the first connection between two SUBACKs',
    rules: dropAtSecondSubscribe,
  },
] satisfies { title: string; rules: () => Rules }[]) {
  test(title, { timeout: 2 * START_TIMEOUT_MS }, async (t) => {
    const broker = await startOpenBroker(createLogger('broker', { write() {} }))
    closeAfter(t, () => broker[Symbol.asyncDispose]())
    await Promise.all(
      SERVICES.map(async (service) => {
        const port = await startProxy(t, broker.port, rules())
        const took = await startAndStop(t, service, port)
        t.diagnostic(`${service} started after ${(took / 1000).toFixed(1)} s`)
      }),
    )
  })
}

function dropAtSecondSubscribe(): Rules {
  let subscribes = 0
  return {
    fromClient(type, connection) {
      if (type !== SUBSCRIBE || connection !== 0) return 'forward'
      return ++subscribes === 2 ? 'drop' : 'forward'
    },
  }
}

/** Starts a service, waits for its "started", stops it, and resolves to the ms it took to start. */
async function startAndStop(t: TestContext, service: string, brokerPort: number): Promise<number> {
  const folder = temporaryFolder(t)
  const [relayPort = 0, metricsPort = 0] = await freePorts(2)
  const path = join(folder, 'robot.yaml')
  const config = {
    cloud: {
      relay_url: `ws://127.0.0.1:${relayPort}`,
      device_id: 'wimz_test',
      device_secret: TEST_SECRET,
    },
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    webrtc: { stun_servers: [] },
    metrics: { port: metricsPort },
    homeassistant: { enabled: true },
    bus: { url: `mqtt://127.0.0.1:${brokerPort}` },
    broker: { enabled: false },
    data_dir: folder,
  }
  writeFileSync(path, stringify(config))
  const began = performance.now()
  const child = spawn(process.execPath, [`services/${service}/main.ts`, '--config', path], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, RELAY_URL: '', WIMZ_CONFIG: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  closeAfter(t, () => child.kill('SIGKILL'))
  const lines: string[] = []
  const { promise: started, resolve, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error('not started in time')), START_TIMEOUT_MS)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line)
      if (line.includes('"msg":"started"')) resolve(performance.now() - began)
    })
  }
  child.once('exit', (code) => reject(new Error(`exited with ${code}`)))
  try {
    const took = await started
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await exit, [0, null])
    return took
  } catch (err) {
    throw new Error(`${service}:\n${lines.join('\n')}`, { cause: err })
  } finally {
    clearTimeout(timer)
  }
}

/** A TCP proxy in front of the broker that reads the MQTT packets of each client; connections are counted from 0. */
async function startProxy(t: TestContext, brokerPort: number, rules: Rules): Promise<number> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const connection = connections++
    const far = connect(brokerPort, '127.0.0.1')
    const end = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    relayPackets(near, far, (type) => rules.fromClient?.(type, connection) ?? 'forward')
    relayPackets(far, near, (type) => rules.fromBroker?.(type) ?? 'forward')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeAfter(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function relayPackets(from: Socket, to: Socket, judge: (type: number) => Verdict): void {
  let buffered = Buffer.alloc(0)
  from.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk])
    for (let end = packetEnd(buffered); end !== undefined; end = packetEnd(buffered)) {
      const packet = buffered.subarray(0, end)
      buffered = buffered.subarray(end)
      const verdict = judge((packet[0] ?? 0) >> 4)
      if (verdict === 'drop') return void from.destroy()
      if (verdict === 'forward') to.write(packet)
      else setTimeout(() => to.write(packet), verdict)
    }
  })
}

/** Length of the first packet, by the fixed header [MQTT 3.1.1 §2.2]; undefined while it is incomplete. */
function packetEnd(bytes: Buffer): number | undefined {
  let length = 0
  for (let i = 1; i < 5; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) << (7 * (i - 1))
    if (byte < 0x80) return i + 1 + length <= bytes.length ? i + 1 + length : undefined
  }
  return undefined
}

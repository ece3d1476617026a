import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import mqtt from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import { createWebSocketStream, WebSocket } from 'ws'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { rounds } from '#test/helpers/volume.ts'
import { startBrokerProcess } from './broker-process.ts'

/** Packets on each listener in the first round, and half of them in the second. */
const PACKETS = rounds({ merge: 16_000, night: 60_000 })
const PER_CONNECTION = 40
/** Connections at the same time. */
const LANES = 8
const TYPES = ['mqtt', 'ws', 'mqtts', 'wss'] as const

test('thousands of broken packets on every listener: no crash, other clients are unaffected, memory is bounded', {
  skip: without('openssl'),
  timeout: 1_100_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const what = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const where = ['-subj', '/CN=localhost', '-keyout', files.key, '-out', files.cert]
  execFileSync('openssl', ['req', ...what, ...where], { stdio: 'ignore' })
  const ports = await freePorts(4)
  const host = '127.0.0.1'
  const [port = 0, ws_port = 0, tls = 0, wss = 0] = ports
  const listeners = [
    { type: 'mqtts', host, port: tls, ...files },
    { type: 'wss', host, port: wss, ...files },
  ]
  const limits = { connections_per_second: 10_000 }
  const broker = await startBrokerProcess(t, folder, { port, ws_port, listeners, limits })
  const password = ensurePassword(folder, 'vision')
  const healthy = await watch(t, port)
  const random = xorshift(Number(process.env.FUZZ_SEED ?? 20_250_101))
  const memory: number[] = []
  for (const packets of [PACKETS, PACKETS / 2]) {
    for (const [i, type] of TYPES.entries()) {
      await inLanes(packets, (count) => {
        const name =
          type === 'mqtt' && random() < 0.7 ? {} : { username: 'vision', password: Buffer.from(password) }
        return attack(() => open(type, ports[i] ?? 0), count, { random, login: name })
      })
      await healthy.settled()
    }
    memory.push(await broker.live())
    t.diagnostic(
      `${packets} over each listener: live ${memory.at(-1)?.toFixed(1)} MiB, RSS ${broker.rss().toFixed(0)} MiB`,
    )
  }
  // the first round fills caches
  const [first = 0, second = 0] = memory
  // 32,000 more packets at least: 130 bytes each would be a leak
  assert.ok(second - first < 4, `live memory went from ${first} to ${second} MiB`)
  assert.equal(broker.child.exitCode, null)
  assert.deepEqual(
    broker.lines.filter((line) => /"level":"(fatal|error)"/.test(line)),
    [],
  )
  assert.equal(await healthy.lost(), 0)
  assert.ok(broker.lines.length < 1_000, `${broker.lines.length} log lines`)
})

/** A client that publishes and receives ten messages a second throughout the test. */
async function watch(t: TestContext, port: number) {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  closeAfter(t, () => client.endAsync(true))
  let [sent, received] = [0, 0]
  client.on('message', () => received++)
  await client.subscribeAsync('wimz/telemetry/healthy')
  const timer = setInterval(() => {
    sent++
    client.publish('wimz/telemetry/healthy', 'x')
  }, 100)
  closeAfter(t, () => clearInterval(timer))
  const settled = async () => {
    const due = sent
    await client.publishAsync('wimz/telemetry/settled', '', { qos: 1 })
    await until(() => received >= due, { deadline: 30_000, show: () => ({ sent, received }) })
  }
  return {
    /** Ends it: the messages that never arrived. */
    async lost() {
      clearInterval(timer)
      await settled()
      return sent - received
    },
    settled,
  }
}

async function inLanes(count: number, run: (count: number) => Promise<void>): Promise<void> {
  const lanes = Array.from({ length: LANES }, async () => {
    for (let done = 0; done < count / LANES; done += PER_CONNECTION) await run(PER_CONNECTION)
  })
  await Promise.all(lanes)
}

/** One connection that sends valid and invalid packets until it is closed or done. */
async function attack(
  open: () => Promise<Duplex>,
  count: number,
  { random, login }: { random: () => number; login: { username?: string; password?: Buffer } },
): Promise<void> {
  const stream = await open()
  stream.on('error', () => {})
  stream.resume()
  const closed = new Promise((resolve) => stream.once('close', resolve))
  const version = pick(random, [4, 5])
  if (random() < 0.9) stream.write(connectPacket(random, { version, login }))
  const packets = Array.from({ length: count - 1 }, () => damage(anyPacket(random, version), random))
  stream.end(Buffer.concat(packets))
  const deadline = setTimeout(() => stream.destroy(), 5_000)
  await closed
  clearTimeout(deadline)
}

function connectPacket(random: () => number, { version, login }: { version: number; login: object }): Buffer {
  const clean = random() < 0.8
  const will = {
    topic: text(random),
    payload: Buffer.from(text(random)),
    qos: pick(random, [0, 1, 2]),
    retain: false,
    properties: { willDelayInterval: Math.floor(random() * 3), ...messageProperties(random) },
  }
  const properties = {
    sessionExpiryInterval: Math.floor(random() * 3),
    receiveMaximum: 1 + Math.floor(random() * 3),
  }
  const id = { clientId: clean ? `fuzz${Math.floor(random() * 1e9)}` : `vision-${Math.floor(random() * 20)}` }
  const base = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    keepalive: 60,
    clean,
    properties,
    ...id,
    ...login,
  }
  return bytesOf({ ...base, ...(random() < 0.3 ? { will } : {}) } as Packet, version)
}

function anyPacket(random: () => number, version: number): Buffer {
  const messageId = 1 + Math.floor(random() * 200)
  const qos = pick(random, [0, 0, 1, 2])
  const topic = pick(random, ['wimz/event/fuzz', 'wimz/video/high', 'wimz/telemetry/fuzz', text(random)])
  const payload = Buffer.alloc(Math.floor(random() * 300), 'x')
  const publish = {
    cmd: 'publish',
    topic,
    payload,
    qos,
    dup: qos > 0 && random() < 0.2,
    retain: random() < 0.2,
    messageId,
    properties: messageProperties(random),
  }
  const options = { qos, nl: random() < 0.2, rap: random() < 0.2, rh: pick(random, [0, 1, 2]) }
  const subscriptions = [
    { topic: pick(random, ['wimz/+/state', '#', 'wimz/event/+', text(random)]), ...options },
  ]
  const kinds: object[] = [
    publish,
    publish,
    { cmd: 'subscribe', messageId, subscriptions, properties: { subscriptionIdentifier: messageId } },
    { cmd: 'unsubscribe', messageId, unsubscriptions: [topic] },
    ...['puback', 'pubrec', 'pubrel', 'pubcomp'].map((cmd) => ({ cmd, messageId, reasonCode: 0 })),
    { cmd: 'pingreq' },
  ]
  if (random() < 0.97) return bytesOf(pick(random, kinds) as Packet, version)
  const wrong = [
    { cmd: 'connack', returnCode: 0 },
    { cmd: 'suback', messageId, granted: [0] },
  ] as Packet[]
  return random() < 0.5 ? noise(random) : bytesOf(pick(random, wrong), version)
}

/** Damage is rare, so that most connections survive most of their packets. */
function damage(packet: Buffer, random: () => number): Buffer {
  if (random() < 0.97 || packet.length < 2) return packet
  const bytes = Buffer.from(packet)
  const at = Math.floor(random() * bytes.length)
  const kind = random()
  if (kind < 0.5) bytes[at] = Math.floor(random() * 256)
  else if (kind < 0.7) return bytes.subarray(0, at)
  else if (kind < 0.9) return Buffer.concat([bytes.subarray(0, at), noise(random), bytes.subarray(at)])
  else bytes[1] = Math.floor(random() * 256)
  return bytes
}

/** Properties of MQTT 5, which 3.1.1 leaves out. */
function messageProperties(random: () => number): object {
  if (random() < 0.5) return {}
  const all = {
    payloadFormatIndicator: true,
    messageExpiryInterval: Math.floor(random() * 3),
    contentType: text(random),
    responseTopic: text(random),
    correlationData: Buffer.alloc(Math.floor(random() * 20)),
    userProperties: { [text(random)]: text(random) },
    topicAlias: 1,
  }
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => random() < (name === 'topicAlias' ? 0.02 : 0.3)),
  )
}

function bytesOf(packet: Packet, version: number): Buffer {
  try {
    return generate(packet, { protocolVersion: version })
  } catch {
    return Buffer.from([0x30, 0x02, 0, 0]) // mqtt-packet cannot generate it: an empty topic
  }
}

function noise(random: () => number): Buffer {
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 60) }, () => Math.floor(random() * 256)))
}

function text(random: () => number): string {
  const parts = [
    '',
    'a',
    '+',
    '#',
    '$SYS',
    '$share',
    '\0',
    '\u{1F415}',
    'x'.repeat(500),
    '__proto__',
    'constructor',
    '..',
  ]
  return Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(random, parts)).join('/')
}

function pick<T>(random: () => number, things: readonly T[]): T {
  return things[Math.floor(random() * things.length)] as T
}

async function open(type: (typeof TYPES)[number], port: number): Promise<Duplex> {
  const host = '127.0.0.1'
  if (type === 'ws' || type === 'wss') {
    const webSocket = new WebSocket(`${type}://${host}:${port}`, 'mqtt', { rejectUnauthorized: false })
    await once(webSocket, 'open')
    const stream = createWebSocketStream(webSocket)
    // a stream that has ended waits for the socket to finish, which a reset socket never does
    webSocket.once('close', () => stream.destroy())
    return stream
  }
  const socket =
    type === 'mqtt' ? connectTcp(port, host) : connectTls({ port, host, rejectUnauthorized: false })
  await once(socket, type === 'mqtt' ? 'connect' : 'secureConnect')
  return socket
}

/** Deterministic, unless FUZZ_SEED is set. */
function xorshift(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'

/**
 * `npm run bench:broker [-- --rounds 4] [--before <folder>]`: the embedded broker and Mosquitto with MQTT 3.1.1 and 5, one after the
 * other, each in its own process. `--before`: also the broker of an older checkout, with 3.1.1, in each round, so that what else the
 * machine does affects both; then the medians are printed last.
 */

const CLIENTS = 1_000
const PUBLISHERS = 100
/** Messages a second of each publisher. */
const RATE = 10
const SECONDS = 12
/** The control topic, Hz. */
const CONTROL = 20

interface Figures {
  broker: string
  mqtt: string
  connect_s: number
  control_p50_ms: number
  control_p99_ms: number
  control_max_ms: number
  load_per_s: number
  flood_per_s: number
}

type ProtocolVersion = 4 | 5

async function measure(broker: string, port: number, protocolVersion: ProtocolVersion): Promise<Figures> {
  const options = { protocolVersion, reconnectPeriod: 0 }
  const url = `mqtt://127.0.0.1:${port}`
  const before = performance.now()
  const clients: MqttClient[] = []
  for (let i = 0; i < CLIENTS; i += 50) {
    const some = Array.from({ length: 50 }, () => mqtt.connectAsync(url, options))
    clients.push(...(await Promise.all(some)))
  }
  const connect_s = (performance.now() - before) / 1_000
  const publishers = clients.slice(0, PUBLISHERS)
  // each of the others subscribes to one publisher
  await Promise.all(
    clients.slice(PUBLISHERS).map((client, i) => client.subscribeAsync(`wimz/event/n${i % PUBLISHERS}`)),
  )
  const under = await underLoad(url, options, publishers)
  const flood_per_s = await flood(url, options)
  await Promise.all(clients.map((client) => client.endAsync(true)))
  return { broker, mqtt: protocolVersion === 5 ? '5' : '3.1.1', connect_s, ...under, flood_per_s }
}

/** Delays of a control topic while the publishers publish. */
async function underLoad(url: string, options: IClientOptions, publishers: readonly MqttClient[]) {
  const [sender, receiver] = [await mqtt.connectAsync(url, options), await mqtt.connectAsync(url, options)]
  const delays: number[] = []
  receiver.on('message', (_topic, payload) => delays.push(performance.now() - Number(payload)))
  await receiver.subscribeAsync('wimz/telemetry/control')
  let sent = 0
  const payload = Buffer.alloc(200, 'x')
  const timers = publishers.map((client, i) =>
    setInterval(() => {
      client.publish(`wimz/event/n${i}`, payload)
      sent++
    }, 1_000 / RATE),
  )
  timers.push(
    setInterval(() => sender.publish('wimz/telemetry/control', String(performance.now())), 1_000 / CONTROL),
  )
  await sleep(SECONDS * 1_000)
  for (const timer of timers) clearInterval(timer)
  await sleep(500)
  await Promise.all([sender.endAsync(), receiver.endAsync()])
  delays.sort((a, b) => a - b)
  const at = (share: number) => delays[Math.floor((delays.length - 1) * share)] ?? Number.NaN
  const load_per_s = sent / SECONDS
  return { control_p50_ms: at(0.5), control_p99_ms: at(0.99), control_max_ms: at(1), load_per_s }
}

/** QoS 1 messages of 100 bytes a second from one publisher to one subscriber, 200 in flight. */
async function flood(url: string, options: IClientOptions): Promise<number> {
  const [sender, receiver] = [await mqtt.connectAsync(url, options), await mqtt.connectAsync(url, options)]
  let arrived = 0
  receiver.on('message', () => arrived++)
  await receiver.subscribeAsync('wimz/telemetry/flood', { qos: 1 })
  const payload = Buffer.alloc(100, 'x')
  const until = performance.now() + 5_000
  const lane = async () => {
    while (performance.now() < until) await sender.publishAsync('wimz/telemetry/flood', payload, { qos: 1 })
  }
  await Promise.all(Array.from({ length: 200 }, lane))
  await Promise.all([sender.endAsync(), receiver.endAsync()])
  return arrived / 5
}

async function withOurs(
  port: number,
  folder: string,
  version: ProtocolVersion,
  cwd = PROJECT_ROOT,
): Promise<Figures> {
  const path = join(folder, 'robot.yaml')
  writeFileSync(path, JSON.stringify({ broker: { port }, data_dir: folder }))
  // as main.ts and compose.yaml start it
  const env = {
    ...process.env,
    NODE_OPTIONS: '--max-semi-space-size=4',
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '262144',
  }
  return await within(
    cwd === PROJECT_ROOT ? 'ours' : 'before',
    { port, version },
    spawn(process.execPath, ['broker/main.ts', '--config', path], { env, cwd }),
  )
}

async function withMosquitto(port: number, folder: string, version: ProtocolVersion): Promise<Figures> {
  const path = join(folder, 'mosquitto.conf')
  writeFileSync(path, `listener ${port} 127.0.0.1\nallow_anonymous true\n`)
  return await within('mosquitto', { port, version }, spawn('/usr/sbin/mosquitto', ['-c', path]))
}

async function within(
  name: string,
  { port, version }: { port: number; version: ProtocolVersion },
  child: ChildProcess,
): Promise<Figures> {
  child.stdout?.resume()
  child.stderr?.resume()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ended = Promise.race([
    new Promise<Error>((resolve) => child.once('error', resolve)),
    exited.then(() => new Error(`${name} has ended: is port ${port} free?`)),
  ])
  try {
    const failed = await Promise.race([answers(port), ended])
    if (failed) throw failed
    return await measure(name, port, version)
  } finally {
    // the next broker uses the same port
    if (child.kill()) await exited
  }
}

function answers(port: number): Promise<undefined> {
  return new Promise((resolve) => {
    const probe = mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100 })
    probe.on('error', () => {}) // not listening yet
    probe.once('connect', () => probe.end(false, () => resolve(undefined)))
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Of each figure, by broker and protocol. */
function medians(all: readonly Figures[]): Figures[] {
  const groups = Map.groupBy(all, ({ broker, mqtt: version }) => `${broker} ${version}`)
  return groups
    .values()
    .toArray()
    .flatMap((some) => {
      const [first] = some
      if (!first) return []
      const keys = Object.keys(first).filter((key) => typeof first[key as keyof Figures] === 'number')
      const middle = keys.map((key) => {
        const sorted = some.map((one) => Number(one[key as keyof Figures])).sort((a, b) => a - b)
        return [key, sorted[Math.floor(sorted.length / 2)] ?? Number.NaN]
      })
      return [{ ...first, ...Object.fromEntries(middle) }]
    })
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '1' }, before: { type: 'string' } },
})
const folder = mkdtempSync(join(tmpdir(), 'wimz-bench-'))
try {
  const [ours = 0, theirs = 0] = await freePorts(2)
  const rounded = (figures: Figures) =>
    Object.fromEntries(
      Object.entries(figures).map(([key, value]) => [
        key,
        typeof value === 'number' ? +value.toFixed(2) : value,
      ]),
    )
  const all: Figures[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const runs = [
      ...(values.before ? [() => withOurs(ours, folder, 4, resolve(values.before ?? ''))] : []),
      () => withOurs(ours, folder, 4),
      () => withMosquitto(theirs, folder, 4),
      () => withOurs(ours, folder, 5),
      () => withMosquitto(theirs, folder, 5),
    ]
    // neither is always the first
    for (const run of round % 2 ? runs.toReversed() : runs) {
      const figures = await run()
      all.push(figures)
      process.stdout.write(`${JSON.stringify(rounded(figures))}\n`)
    }
  }
  if (values.before)
    for (const one of medians(all)) process.stdout.write(`median ${JSON.stringify(rounded(one))}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit()

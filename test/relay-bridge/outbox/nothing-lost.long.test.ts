import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { type Bus, connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { refuseSecrets, TEST_SECRET } from '#dev/harness/secrets.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { rounds } from '#test/helpers/volume.ts'
import { pausableProxy } from '../connection/pausable-proxy.ts'

const ROUNDS = rounds({ merge: 6, night: 20 })
const EVENTS = 500
const PER_SECOND = 50

test(`${ROUNDS} rounds of 500 events while relay, bridge and connection are killed at random: all arrive, in order`, {
  timeout: 900_000,
}, async (t) => {
  const scene = await startScene(t)
  const kills = { relay: 0, bridge: 0, link: 0 }
  const harms = {
    relay: () => scene.relay.restart(Math.random() * 1_500),
    bridge: () => scene.bridge.restart(0),
    link: () => Promise.resolve(scene.proxy.freeze()),
  }
  const started = performance.now()
  for (let round = 0; round < ROUNDS; round++) {
    const harm = (['relay', 'bridge', 'link'] as const)[Math.floor(Math.random() * 3)] ?? 'bridge'
    const others = [harms.relay, harms.bridge]
    const other = others[round % 2]
    const work = publish(scene.bus, round * EVENTS)
    await sleep(Math.random() * 5_000)
    await harms[harm]()
    kills[harm]++
    await sleep(Math.random() * 3_000)
    await other?.()
    kills[round % 2 === 0 ? 'relay' : 'bridge']++
    await work
  }
  const published = performance.now()
  await scene.arrived(ROUNDS * EVENTS)
  const lines = scene.lines()
  const seen = new Map(lines.map(({ id, n }) => [id, n]))
  const numbers = [...seen.values()]
  t.diagnostic(
    `${numbers.length} of ${ROUNDS * EVENTS} events, ${lines.length - numbers.length} came twice; killed ${JSON.stringify(kills)}; ` +
      `published in ${Math.round((published - started) / 1000)} s, the last arrived ${Math.round((performance.now() - published) / 1000)} s later`,
  )
  assert.deepEqual(
    numbers,
    Array.from({ length: ROUNDS * EVENTS }, (_, n) => n),
  )
})

async function publish(bus: Bus, from: number): Promise<void> {
  const start = performance.now()
  for (let i = 0; i < EVENTS; i++) {
    await bus.publish(topics.event, { n: from + i, treats: 1 }, { name: 'treat_dispensed' })
    const due = start + ((i + 1) * 1000) / PER_SECOND
    await sleep(Math.max(0, due - performance.now()))
  }
}

async function startScene(t: TestContext) {
  const folder = temporaryFolder(t)
  const [brokerPort = 0, relayPort = 0] = await freePorts(2)
  const proxy = await pausableProxy(t, relayPort)
  const record = join(folder, 'relay.log')
  const path = join(folder, 'robot.yaml')
  writeFileSync(
    path,
    stringify({
      cloud: {
        relay_url: `ws://127.0.0.1:${proxy.port}/ws/device`,
        device_id: 'wimz_test',
        device_secret: TEST_SECRET,
      },
      bus: { url: `mqtt://127.0.0.1:${brokerPort}` },
      broker: { port: brokerPort },
      data_dir: folder,
    }),
  )
  const service = (main: string) => () => spawnNode([main, '--config', path])
  const broker = await keep(t, service('broker/main.ts'), '"msg":"started"')
  const relay = await keep(
    t,
    () => spawnNode(['test/relay-bridge/outbox/recording-relay.ts', String(relayPort), record]),
    'listening',
  )
  const bridge = await keep(t, service('services/relay-bridge/main.ts'), '"msg":"started"')
  const bus = await connectBus({
    ...{ url: `mqtt://127.0.0.1:${brokerPort}`, prefix: 'wimz', service: 'treats', version: '0' },
    log: { warn() {}, info() {}, debug() {} },
    announce: false,
  })
  closeAfter(t, () => bus[Symbol.asyncDispose]())
  const lines = () =>
    (existsSync(record) ? readFileSync(record, 'utf8') : '')
      .split('\n')
      .filter(Boolean)
      .map((line) => ({ n: Number(line.split(' ')[0]), id: line.split(' ')[1] ?? '' }))
  const distinct = () => new Set(lines().map(({ n }) => n)).size
  const arrived = (count: number) =>
    until(() => distinct() >= count, {
      deadline: 180_000,
      every: 250,
      show: () => ({ count, distinct: distinct() }),
    })
  return { broker, relay, bridge, bus, proxy, lines, arrived }
}

function spawnNode(args: string[]): ChildProcess {
  const env = { ...process.env, RELAY_URL: '', WIMZ_CONFIG: '' }
  return spawn(process.execPath, args, { cwd: PROJECT_ROOT, stdio: ['ignore', 'pipe', 'inherit'], env })
}

/** A process that can be killed and started again; killed after the test. */
async function keep(t: TestContext, start: () => ChildProcess, ready: string) {
  let child = start()
  const up = async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (!child.stdout) throw new Error('no stdout')
    createInterface(child.stdout).on('line', (line) => {
      refuseSecrets(line)
      if (line.includes(ready)) resolve()
    })
    await promise
  }
  const kill = async () => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  closeAfter(t, kill)
  await up()
  return {
    async restart(pause: number) {
      await kill()
      await sleep(pause)
      child = start()
      await up()
    },
  }
}

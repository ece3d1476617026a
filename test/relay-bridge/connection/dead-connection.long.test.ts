import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openNetwork, withoutNamespaces } from '#test/helpers/netns.ts'
import { online, startBridge } from '../bridge.ts'

// The times of a robot, not those of the other tests.

// they mostly wait
describe('dead connections', { concurrency: true }, () => {
  test('a relay that stops reading is detected within 30 s (A02, A03, P2)', {
    timeout: 60_000,
  }, async (t) => {
    const relay = await fakeRelay(t)
    const { link } = await startBridge(t, relay)
    const socket = await relay.robot()
    await link.next(online)
    const start = performance.now()
    socket.socket.pause()
    await link.next({ where: ({ connected }) => !connected, within: 40_000 })
    const took = performance.now() - start
    t.diagnostic(`noticed after ${(took / 1000).toFixed(1)} s`)
    assert.ok(took <= 30_000)
  })

  for (const [what, knows] of [
    ['that says so', ['another_robot']],
    ['that says nothing', undefined],
  ] as const) {
    test(`after a stale registration at a relay ${what}, commands arrive within 35 s`, {
      timeout: 60_000,
    }, async (t) => {
      const relay = await fakeRelay(t)
      relay.knows = knows && [...knows]
      const { robot, link } = await startBridge(t, relay, { times: { ping: 100, pong: 200 } })
      const commands = await collect(robot, topics.command, { name: 'treat' })
      const first = await relay.robot()
      await link.next(online)
      first.socket.pause()
      // open, answering every ping, and unregistered for ever: nothing is sent to it
      await relay.robot(10_000)
      const start = performance.now()
      const third = await relay.robot(40_000)
      third.send({ command: 'treat' })
      await commands.next()
      const took = performance.now() - start
      t.diagnostic(`${(took / 1000).toFixed(1)} s after the reconnect`)
      assert.ok(took <= 35_000)
    })
  }

  test('60 s without a network and name server: detected within 30 s, back within 5 s (A08, A28)', {
    skip: withoutNamespaces(),
    timeout: 180_000,
  }, async (t) => {
    const network = openNetwork(t)
    const folder = temporaryFolder(t)
    const { viewer } = network.address
    const start = (args: string[]) => {
      const child = network.spawn('viewer', process.execPath, args, {
        cwd: PROJECT_ROOT,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      return child
    }
    start(['test/relay-bridge/connection/name-server.ts', viewer])
    const relay = start([
      'test/relay-bridge/outbox/recording-relay.ts',
      '8000',
      join(folder, 'relay.log'),
      viewer,
    ])
    if (relay.stdout) await once(relay.stdout, 'data')
    const path = join(folder, 'robot.yaml')
    const config = {
      cloud: {
        relay_url: 'ws://relay.wimz.test:8000/ws/device',
        device_id: 'wimz_test',
        device_secret: TEST_SECRET,
      },
      bus: { url: 'mqtt://127.0.0.1:1883' },
      data_dir: folder,
    }
    writeFileSync(path, stringify(config))
    const robot = (main: string) =>
      network.spawn(
        'robot',
        'sh',
        [
          '-c',
          `echo "nameserver ${viewer}" > ${folder}/resolv.conf && mount --bind ${folder}/resolv.conf /etc/resolv.conf && exec "$0" "$@"`,
          process.execPath,
          main,
          '--config',
          path,
        ],
        {
          cwd: PROJECT_ROOT,
          env: { ...process.env, LOG_LEVEL: 'debug', RELAY_URL: '', WIMZ_CONFIG: '' },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
    const broker = robot('broker/main.ts')
    if (broker.stdout) await once(broker.stdout, 'data')
    const bridge = robot('services/relay-bridge/main.ts')
    const said = follow(bridge.stdout)
    await said('registered with the relay', 20_000)
    const cut = performance.now()
    network.forward('drop')
    await said('relay connection lost', 40_000)
    const noticed = performance.now() - cut
    await sleep(Math.max(0, 60_000 - noticed))
    const back = performance.now()
    network.forward('accept')
    await said('registered with the relay', 30_000)
    const returned = performance.now() - back
    t.diagnostic(
      `noticed after ${(noticed / 1000).toFixed(1)} s, back after ${(returned / 1000).toFixed(1)} s`,
    )
    assert.ok(noticed <= 30_000)
    assert.ok(returned <= 5_000)
  })
})

/** Waits for the next line that holds this text, after those already returned. */
function follow(stream: NodeJS.ReadableStream | null) {
  const lines: string[] = []
  if (!stream) throw new Error('no stdout')
  createInterface(stream).on('line', (line) => lines.push(line))
  let read = 0
  return async (text: string, within: number) => {
    const found = () => lines.findIndex((line, i) => i >= read && line.includes(text)) + 1
    read = await until(found, { deadline: within, every: 20, show: () => ({ text, lines }) })
  }
}

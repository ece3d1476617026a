import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import mqtt, { type MqttClient } from 'mqtt'
import { stringify } from 'yaml'
import { KNOWN_COMMANDS } from '#commands/command-names.ts'
import { CONTROLS, type Control } from '#commands/controls.ts'
import { documentedConf, startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { startUsersBroker, TESTER } from '../users-broker.ts'

/** What Home Assistant must never publish: each command by itself, driving, and what services say of themselves. */
const NEVER = [
  ...Array.from(KNOWN_COMMANDS, (name) => `wimz/command/${name}`),
  ...['wimz/restart/vision', 'wimz/homeassistant/dog', 'wimz/homeassistant/event/dog', 'wimz/vision/state'],
  ...['motor', 'drive', 'state', '@controls', ''].map((control) => `wimz/homeassistant/set/${control}`),
  ...['wimz/telemetry/battery', 'wimz/event/bark', 'wimz/video/demand/ha', 'wimz/signaling/request'],
]
const ASKED = [...CONTROLS.map((control) => `wimz/homeassistant/set/${control}`), ...NEVER]

const TICKS: { enabled?: boolean; controls: Control[] }[] = [
  { controls: [] },
  ...CONTROLS.map((control) => ({ controls: [control] })),
  { controls: [...CONTROLS] },
  { enabled: false, controls: [...CONTROLS] },
]

/** The topics that reach an observer when this client publishes all of {@link ASKED}. */
async function passing(client: MqttClient, observer: MqttClient): Promise<string[]> {
  const received: string[] = []
  const ended = Promise.withResolvers<void>()
  observer.on('message', (topic) => (topic === 'wimz/end' ? ended.resolve() : received.push(topic)))
  await observer.subscribeAsync('wimz/#', { qos: 1 })
  received.length = 0 // retained states
  for (const topic of ASKED) await client.publishAsync(topic, 'PRESS', { qos: 1 }).catch(() => {}) // denied, MQTT 5
  await observer.publishAsync('wimz/end', '', { qos: 1 })
  await ended.promise
  return received.filter((topic) => ASKED.includes(topic)).sort()
}

function expected({ enabled = true, controls }: (typeof TICKS)[number]): string[] {
  return enabled ? controls.map((control) => `wimz/homeassistant/set/${control}`).sort() : []
}

for (const protocolVersion of [4, 5] as const) {
  test(`with MQTT ${protocolVersion} the user ha may use the controls that are ticked, and publish nothing else`, async (t) => {
    for (const ticks of TICKS) {
      const homeassistant = { enabled: true, ...ticks }
      const { connect } = await startUsersBroker(t, { homeassistant })
      const found = await passing(await connect('ha', { protocolVersion }), await connect(TESTER))
      assert.deepEqual(found, expected(ticks), JSON.stringify(ticks))
    }
  })
}

test('on Mosquitto with npm run mosquitto:acl the same holds', { skip: without('mosquitto') }, async (t) => {
  for (const ticks of TICKS.slice(-3)) {
    const found = await onMosquitto(t, { enabled: true, ...ticks })
    assert.deepEqual(found, expected(ticks), JSON.stringify(ticks))
  }
})

async function onMosquitto(t: TestContext, homeassistant: object): Promise<string[]> {
  const folder = temporaryFolder(t)
  const [port = 0] = await freePorts(1)
  const conf = documentedConf(folder, port, TESTER)
  const config = join(folder, 'robot.yaml')
  writeFileSync(config, stringify({ homeassistant }))
  const env = { ...process.env, WIMZ_CONFIG: config }
  const acl = execFileSync(process.execPath, ['broker/mosquitto/acl.ts'], { encoding: 'utf8', env })
  writeFileSync(join(folder, 'wimz.acl'), `${acl}\nuser ${TESTER}\ntopic readwrite #\n`)
  await using _mosquitto = await startMosquitto(folder, port, conf)
  const connect = async (username: string) => {
    const login = { username, password: ensurePassword(folder, username), reconnectPeriod: 0 }
    const client = await mqtt.connectAsync({ host: '127.0.0.1', port, ...login })
    t.after(() => client.endAsync(true))
    return client
  }
  const [client, observer] = [await connect('ha'), await connect(TESTER)]
  const found = await passing(client, observer)
  await Promise.all([client.endAsync(true), observer.endAsync(true)])
  return found
}

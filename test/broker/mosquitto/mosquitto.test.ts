import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { documentedConf, startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { rows, USERS } from '../auth/rights-table.ts'

const skip = without('mosquitto')

test('configs/mosquitto.acl is fresh (if not: npm run --silent mosquitto:acl > configs/mosquitto.acl)', () => {
  const made = execFileSync(process.execPath, ['broker/mosquitto/acl.ts'], {
    encoding: 'utf8',
    env: { ...process.env, WIMZ_CONFIG: 'configs/demo.yaml' },
  })
  assert.equal(readFileSync('configs/mosquitto.acl', 'utf8'), made)
})

const NAMES = rows().filter(({ topic }) => topic.startsWith('wimz/') && !/[+#]/.test(topic))

/** Mosquitto as documented, with a user that has all rights. */
async function documented(t: TestContext) {
  const folder = temporaryFolder(t)
  const [port = 0] = await freePorts(1)
  const mosquitto = await startMosquitto(folder, port, documentedConf(folder, port, 'tester'))
  t.after(() => mosquitto[Symbol.asyncDispose]())
  const connect = async (user: string) => {
    const login = user === 'local' ? {} : { username: user, password: ensurePassword(folder, user) }
    const client = await mqtt.connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 0, ...login })
    t.after(() => client.endAsync(true))
    const received = new Set<string>()
    const ended = Promise.withResolvers<void>()
    client.on('message', (topic, payload) => {
      received.add(`${topic} ${payload}`)
      if (String(payload) === 'end') ended.resolve()
    })
    const publishAll = (text: string) =>
      Promise.all(NAMES.map(({ topic }) => client.publishAsync(topic, text, { qos: 1 })))
    return { client, received, ended: ended.promise, publishAll }
  }
  return { connect, port, tester: await connect('tester') }
}

test('on Mosquitto as documented each user may publish what the table grants', { skip }, async (t) => {
  const { connect, tester } = await documented(t)
  await tester.client.subscribeAsync('wimz/#', { qos: 1 })
  for (const user of USERS) await (await connect(user)).publishAll(`from ${user}`)
  await tester.client.publishAsync('wimz/end', 'end', { qos: 1 })
  await tester.ended
  for (const { topic, rights } of NAMES) {
    for (const [i, user] of USERS.entries()) {
      const allowed = rights[i]?.includes('p') ?? false
      assert.equal(tester.received.has(`${topic} from ${user}`), allowed, `${user} publishes ${topic}`)
    }
  }
})

test('on Mosquitto as documented each user receives what the table grants', { skip }, async (t) => {
  const { connect, tester } = await documented(t)
  for (const [i, user] of USERS.entries()) {
    const { client, received, ended } = await connect(user)
    await client.subscribeAsync('#', { qos: 1 })
    await tester.publishAll(`for ${user}`)
    const readable = NAMES.filter(({ rights }) => rights[i]?.includes('s'))
    await tester.client.publishAsync(readable[0]?.topic ?? '', 'end', { qos: 1 })
    await ended
    for (const topic of NAMES) {
      const { topic: name } = topic
      assert.equal(received.has(`${name} for ${user}`), readable.includes(topic), `${user} reads ${name}`)
    }
  }
})

test('a wrong password and an unknown user are rejected', { skip }, async (t) => {
  const { port } = await documented(t)
  for (const username of ['vision', 'unknown']) {
    const login = { username, password: 'wrong' }
    const connecting = mqtt.connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 0, ...login })
    await assert.rejects(connecting, /Not authorized/)
  }
})

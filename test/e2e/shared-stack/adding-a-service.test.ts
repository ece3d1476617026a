import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { ON_MOSQUITTO } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { projectAt, runScript, shellBlocks } from '#test/helpers/document.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { withoutPaho } from '#test/helpers/tools.ts'
import { sharedStack } from './shared-stack.ts'

const DOCUMENT = 'docs/adding-a-service.md'

test('a user that is added while the robot runs gets a password and its rights, as docs/adding-a-service.md says', {
  skip: withoutPaho() || (ON_MOSQUITTO && 'asks our own broker'),
  timeout: 180_000,
}, async (t) => {
  const { stack } = await sharedStack()
  const folder = dirname(stack.config)
  const [, users = ''] = /```yaml\n(users:[\s\S]*?)```/.exec(readFileSync(DOCUMENT, 'utf8')) ?? []
  const usersFile = join(folder, 'broker.yaml')
  const before = readFileSync(usersFile, 'utf8')
  closeAfter(t, () => writeFileSync(usersFile, before))
  const file = parse(before)
  Object.assign(file.users, parse(users).users)
  writeFileSync(usersFile, stringify(file))
  await until(() => existsSync(join(folder, 'broker/treats.password')), { show: () => stack.lines.slice(-5) })

  const bus = await stack.join('observer')
  const states = await collect(bus, topics.serviceState, { service: 'treats' })
  const home = temporaryFolder(t)
  projectAt(home)
  symlinkSync(join(folder, 'broker'), join(home, 'data/broker'))
  const [block, ...more] = shellBlocks(DOCUMENT, 'test/e2e/shared-stack/adding-a-service.test.ts')
  assert.ok(block && more.length === 0)
  // Debian's Python, which has Debian's paho-mqtt
  const env = { ...process.env, PATH: `/usr/bin:${process.env.PATH}`, BUS_PORT: String(stack.brokerPort) }
  const ending = new AbortController()
  closeAfter(t, () => ending.abort())
  const running = runScript(block.script, { cwd: home, env, ending: ending.signal })
  await states.next({ where: ({ state }) => state === 'online', within: 8_000 })
  const results = await collect(bus, topics.commandResult)
  const command = { name: 'treat', params: { count: 1 }, source: 'relay' as const, received_at: Date.now() }
  await bus.publish(topics.command, { ...command, id: 'one' }, { name: 'treat' })
  const { payload } = await results.next({ where: ({ id }) => id === 'one', within: 8_000 })
  assert.equal(payload.success, true)
  ending.abort()
  await states.next({ where: ({ state }) => state === 'offline', within: 12_000 })
  await running
})

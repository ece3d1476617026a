import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { endProcess } from '#dev/harness/end-process.ts'
import type { Stack } from '#dev/harness/stack.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { openApp } from '#test/helpers/app.ts'
import { withoutPaho } from '#test/helpers/tools.ts'
import { sharedStack } from './shared-stack.ts'

const EXAMPLES = {
  Python: ['/usr/bin/python3', 'examples/treat_dispenser.py'],
  TypeScript: [process.execPath, 'examples/treat-dispenser.ts'],
} as const

function start([program, script]: readonly [string, string], stack: Stack, withUser: boolean): ChildProcess {
  const { username, password } = stack.login
  const port = String(stack.brokerPort)
  const user = withUser ? { BUS_USER: username, BUS_PASSWORD: password } : {}
  const env = { ...process.env, BUS_URL: `mqtt://127.0.0.1:${port}`, BUS_PORT: port, ...user }
  return spawn(program, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

test('a treat dispenser: dispense_treat of an app, acknowledged when the treats have fallen', {
  timeout: 180_000,
}, async (t) => {
  const { stack } = await sharedStack()
  for (const [language, command] of Object.entries(EXAMPLES)) {
    await t.test(language, { skip: language === 'Python' && withoutPaho() }, (t) =>
      dispenses(t, stack, language, command),
    )
  }
})

async function dispenses(
  t: TestContext,
  stack: Stack,
  language: string,
  command: readonly [string, string],
): Promise<void> {
  const bus = await stack.join('observer')
  using app = await openApp(stack.relayPort)
  const commands = await collect(bus, topics.command, { name: 'dispense_treat' })

  await t.test('without a user: treats, an event, a refusal that says why', async () => {
    const child = start(command, stack, false)
    try {
      // before it has subscribed, no service answers
      const ack = await untilAnswered(`first-${language}`, { count: 2 })
      assert.equal(ack.success, true)
      assert.equal(ack.remaining, 28)
      const event = await app.frame((frame) => frame.event === 'treat_dispensed')
      assert.deepEqual(event.data, { ...Object(event.data), count: 2, remaining: 28, treats_today: 2 })
      send(`second-${language}`, { count: 11 })
      const refused = await app.frame(({ id }) => id === `second-${language}`)
      assert.deepEqual([refused.success, refused.error], [false, 'count must be 1 to 10'])
      const twice = commands.all.find(({ payload }) => payload.params.count === 2)
      assert.ok(twice)
      await bus.publish(topics.command, twice.payload, { name: 'dispense_treat' })
      // the same command is carried out once
      const told = () => app.frames.filter(({ event }) => event === 'treat_dispensed')
      await staysTrue(() => told().length === 1, 800, { show: told })
    } finally {
      await endProcess(child, 'SIGTERM')
    }
  })

  await t.test('with a user of its own: its state, and a last will', async () => {
    const states = await collect(bus, topics.serviceState, { service: 'treats' })
    const child = start(command, stack, true)
    await states.next({ where: ({ state }) => state === 'online', within: 15_000 })
    await endProcess(child, 'SIGKILL')
    await states.next({ where: ({ state }) => state === 'offline', within: 15_000 })
  })

  function send(id: string, data: object): void {
    app.send({ type: 'command', command: 'dispense_treat', id, data, timestamp: Date.now() })
  }

  /** Looks for the service with a command of nothing first; only then are treats asked for. */
  async function untilAnswered(id: string, data: object) {
    const results = await collect(bus, topics.commandResult)
    const params = { count: 0 }
    const probe = { name: 'dispense_treat', params, source: 'relay' as const, received_at: Date.now() }
    for (let n = 0; results.all.length === 0; n++) {
      assert.ok(n < 100, 'the dispenser never answered')
      await bus.publish(topics.command, { ...probe, id: `probe-${n}` }, { name: 'dispense_treat' })
      await results.next({ within: 200 }).catch(() => {})
    }
    commands.all.length = 0
    send(id, data)
    return await app.frame((frame) => frame.id === id)
  }
}

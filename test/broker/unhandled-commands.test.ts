import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Bus, connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { createLogger } from '#lib/logger.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'

/** The broker, and a bridge that sends commands and follows those of the other entrance, as CommandPath does. */
async function opened(t: TestContext) {
  const log = createLogger('broker', { write() {} })
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const broker = stack.use(await startOpenBroker(log))
  const join = async (service: string, options: { session?: string } = {}) => {
    const url = `mqtt://127.0.0.1:${broker.port}`
    return stack.use(await connectBus({ url, prefix: 'wimz', service, version: '0', log, ...options }))
  }
  const bridge = await join('relay-bridge')
  for (const name of ['dispense_treat', 'stop', 'motor'])
    await bridge.subscribe(topics.command, () => {}, { name })
  const results = await collect(bridge, topics.commandResult)
  let last = 0
  const send = async (name: string) => {
    const id = String(++last)
    const command = { id, name, params: {}, source: 'relay' as const, received_at: Date.now() }
    await bridge.publish(topics.command, command, { name })
    return id
  }
  /** Sends it, then one that no client handles, whose answer marks the end; resolves to all answers in between. */
  const answersTo = async (name: string) => {
    const id = await send(name)
    const end = await send('nothing')
    const found: Record<string, unknown>[] = []
    for (;;) {
      const { payload } = await results.next()
      if (payload.id === end) return found
      if (payload.id === id) found.push(payload)
    }
  }
  return { join, answersTo }
}

const handle = (bus: Bus, name: string) => bus.subscribe(topics.command, () => {}, { name })

test('a command that no client handles is answered at once', async (t) => {
  const { join, answersTo } = await opened(t)
  const observer = await join('observer')
  await observer.subscribe(topics.event, () => {})
  for (const name of ['dispense_treat', 'stop', 'led'])
    assert.deepEqual(
      (await answersTo(name)).map(({ success, error }) => [success, error]),
      [[false, `no service on this robot handles ${name}`]],
    )
  assert.deepEqual(await answersTo('motor'), [], 'a stream, whose answers are bounded elsewhere')
})

test('a command with a handler is left to it, also while the handler reconnects', async (t) => {
  const { join, answersTo } = await opened(t)
  const treats = await join('treats')
  await handle(treats, 'dispense_treat')
  assert.deepEqual(await answersTo('dispense_treat'), [])
  await treats[Symbol.asyncDispose]()
  assert.equal((await answersTo('dispense_treat')).length, 1)
  const durable = await join('audio', { session: 'audio-inbox' })
  await handle(durable, 'audio')
  await durable[Symbol.asyncDispose]()
  assert.deepEqual(await answersTo('audio'), [])
})

test('a stop is left to a motor service that knows the drive command alone', async (t) => {
  const { join, answersTo } = await opened(t)
  await (await join('motors')).subscribe(topics.motor, () => {})
  assert.deepEqual(await answersTo('stop'), [])
})

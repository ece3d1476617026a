import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContractError } from '#bus/contract-error.ts'
import { JsonObject } from '#bus/messages.ts'
import { json } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const close = { session_id: 's1', reason: 'viewer-left' }

test('a message reaches a subscriber with its parameters', async (t) => {
  const memory = await memoryBus(t)
  const [alice, bob] = [await memory.connect('alice'), await memory.connect('bob')]
  const events = await collect(bob, topics.event)
  await alice.publish(topics.event, { loudness_db: -12 }, { name: 'bark' })
  const { payload, params, retained } = await events.next()
  assert.deepStrictEqual(payload, { loudness_db: -12 })
  assert.deepStrictEqual(params, { name: 'bark' })
  assert.strictEqual(retained, false)
})

test('a subscription with a parameter receives no other messages', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  const barks = await collect(bus, topics.event, { name: 'bark' })
  await bus.publish(topics.event, {}, { name: 'alert' })
  await bus.publish(topics.event, { n: 1 }, { name: 'bark' })
  assert.deepStrictEqual((await barks.next()).payload, { n: 1 })
  assert.strictEqual(barks.all.length, 1)
})

test('an unprefixed topic is distinct from the prefixed topic of the same pattern', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  const spec = { payload: JsonObject, qos: 1, from: '', to: '', description: '' } as const
  const [ours, theirs] = [json('house/{name}', spec), json('house/{name}', { ...spec, unprefixed: true })]
  const [own, foreign] = [await collect(bus, ours), await collect(bus, theirs)]
  const others = await collect(bus, json('wimz/house/{name}', { ...spec, unprefixed: true }))
  await bus.publish(ours, { n: 1 }, { name: 'a' })
  await bus.publish(theirs, { n: 2 }, { name: 'b' })
  const received = [await own.next(), await others.next(), await foreign.next()]
  assert.deepStrictEqual(
    received.map(({ payload, params }) => [payload, params]),
    [
      [{ n: 1 }, { name: 'a' }],
      [{ n: 1 }, { name: 'a' }],
      [{ n: 2 }, { name: 'b' }],
    ],
  )
  assert.deepStrictEqual([own.all.length, others.all.length, foreign.all.length], [1, 1, 1])
})

test('invalid payloads are dropped with one log line, and the next valid one arrives', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  const closes = await collect(bus, topics.close)
  const raw = (payload: string | Buffer) =>
    new Promise<void>((resolve) =>
      memory.broker.aedes.publish(
        { cmd: 'publish', topic: 'wimz/signaling/close', payload, qos: 1, retain: false, dup: false },
        () => resolve(),
      ),
    )
  for (const bad of ['{', '[]', '', 'null', '{"session_id":1}', Buffer.alloc(1024 * 1024, 'x')])
    await raw(bad)
  await bus.publish(topics.close, close)
  assert.deepStrictEqual((await closes.next()).payload, close)
  assert.strictEqual(closes.all.length, 1)
  assert.strictEqual(memory.logged.filter(({ msg }) => msg === 'invalid message dropped').length, 1)
})

test('a handler that throws or rejects does not affect other handlers', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  await bus.subscribe(topics.close, () => {
    throw new Error('thrown')
  })
  await bus.subscribe(topics.close, () => Promise.reject(new Error('rejected')))
  const closes = await collect(bus, topics.close)
  await bus.publish(topics.close, close)
  await closes.next()
  assert.ok(memory.logged.some(({ msg }) => msg === 'message handler failed'))
})

test('a payload that does not match its topic is rejected before it is sent', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  await assert.rejects(bus.publish(topics.close, { session_id: '', reason: 'x' }), ContractError)
  await assert.rejects(bus.publish(topics.event, {}, { name: 'a/b' }), ContractError)
  await assert.rejects(
    bus.publish(topics.close, { session_id: 's', reason: 'x'.repeat(300_000) }),
    ContractError,
  )
})

test('the state is retained: online, and offline after a clean stop', async (t) => {
  const memory = await memoryBus(t)
  const service = await memory.connect('vision')
  service.setState({ camera_ok: true })
  const observer = await memory.connect('observer', { announce: false })
  const states = await collect(observer, topics.serviceState, { service: 'vision' })
  const { payload } = await states.next({ where: ({ camera_ok }) => camera_ok === true })
  assert.strictEqual(payload.state, 'online')
  const before = Date.now()
  await service[Symbol.asyncDispose]()
  const { payload: last } = await states.next()
  assert.strictEqual(last.state, 'offline')
  assert.ok(last.since >= before, 'since it is offline')
})

test('the last will publishes offline for a lost client, and the client publishes online when it reconnects', async (t) => {
  const memory = await memoryBus(t)
  const observer = await memory.connect('observer', { announce: false })
  const states = await collect(observer, topics.serviceState, { service: 'vision' })
  await memory.connect('vision')
  await states.next({ where: ({ state }) => state === 'online' })
  memory.cut('vision')
  await states.next({ where: ({ state }) => state === 'offline' })
  await states.next({ where: ({ state }) => state === 'online', within: 5_000 })
})

test('a service is online when it says that it serves, and after each reconnect', async (t) => {
  const memory = await memoryBus(t)
  const states = await collect(await memory.connect('observer'), topics.serviceState, { service: 'alice' })
  const alice = await memory.connect('alice', { announce: 'when-serving' })
  alice.setState({ detail: 1 })
  await alice.publish(topics.close, close)
  assert.deepStrictEqual(states.all, [])
  alice.serving()
  const { payload } = await states.next()
  assert.deepStrictEqual([payload.state, payload.detail], ['online', 1])
  memory.cut('alice')
  await states.next({ where: ({ state }) => state === 'offline' })
  await states.next({ where: ({ state }) => state === 'online' })
})

test('subscriptions are restored after a reconnect, once each', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('alice')
  const closes = await collect(bus, topics.close)
  for (let round = 1; round <= 3; round++) {
    const back = Promise.withResolvers<void>()
    using _ = bus.onConnect(() => back.resolve())
    memory.cut()
    await back.promise
    const settled = await collect(bus, topics.event, { name: `round-${round}` })
    await bus.publish(topics.close, { session_id: `s${round}`, reason: 'x' })
    await bus.publish(topics.event, {}, { name: `round-${round}` })
    await settled.next()
    assert.strictEqual(closes.all.length, round)
  }
})

test('retained messages are published again after a reconnect', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('webrtc')
  await bus.publish(topics.demand, { codec: 'h264', layers: { high: { bitrate: 1e6 } } }, { who: 'webrtc' })
  const observer = await memory.connect('observer', { announce: false })
  const demands = await collect(observer, topics.demand)
  await demands.next()
  const back = Promise.withResolvers<void>()
  using _ = bus.onConnect(() => back.resolve())
  memory.cut()
  await back.promise
  const { payload } = await demands.next({ within: 5_000 })
  assert.strictEqual(payload?.layers.high?.bitrate, 1e6)
})

test('an empty payload withdraws a retained demand', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('webrtc')
  const demands = await collect(bus, topics.demand)
  await bus.publish(topics.demand, { codec: 'h264', layers: {} }, { who: 'debug' })
  await bus.publish(topics.demand, null, { who: 'debug' })
  assert.notStrictEqual((await demands.next()).payload, null)
  assert.strictEqual((await demands.next()).payload, null)
})

test('retained messages of topics that are not retained are ignored, whatever broker sends them', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('motors')
  const publish = (topic: string, payload: object) =>
    new Promise<void>((resolve) => {
      const packet = {
        cmd: 'publish' as const,
        topic,
        payload: Buffer.from(JSON.stringify(payload)),
        retain: true,
      }
      // the broker itself: its own rule against retained commands does not apply
      memory.broker.aedes.publish({ ...packet, qos: 1, dup: false }, () => resolve())
    })
  await publish('wimz/command/motor', { id: 'a', name: 'motor', params: {}, source: 'relay', received_at: 1 })
  await publish('wimz/telemetry/battery', { level: 1 })
  const commands = await collect(bus, topics.command)
  const readings = await collect(bus, topics.telemetry)
  await readings.next()
  assert.equal(commands.all.length, 0)
  assert.ok(memory.logged.some(({ msg }) => msg === 'retained message ignored'))
})

test('one line reports the recovery after an outage, with its length', async (t) => {
  const memory = await memoryBus(t)
  await memory.connect('vision')
  const connected = () => memory.logged.filter(({ msg }) => msg === 'connected to the bus')
  assert.equal(connected().length, 1)
  assert.equal(connected()[0]?.outage_ms, undefined)
  memory.cut('vision')
  await until(() => connected().length === 2)
  assert.equal(typeof connected()[1]?.outage_ms, 'number')
})

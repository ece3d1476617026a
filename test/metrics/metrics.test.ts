import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { test } from 'node:test'
import { Gauge, Histogram, Registry } from 'prom-client'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import { ConfigError } from '#lib/config-error.ts'
import { MetricsSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { publishMetrics } from '#lib/metrics/metrics-publisher.ts'
import { Collection } from '#services/metrics/collection.ts'
import { startMetrics } from '#services/metrics/index.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

test('one page shows the metrics of several services, none summed', async (t) => {
  const memory = await memoryBus(t)
  const [port = 0] = await freePorts(1)
  const metrics = MetricsSection.parse({ port })
  const bus = await memory.connect('metrics')
  memory.use(await startMetrics({ bus, config: { metrics }, log: memory.log }))
  const seen = await collect(await memory.connect('observer', { announce: false }), topics.metrics)
  for (const [service, value] of [
    ['vision', 3],
    ['webrtc', 4],
  ] as const) {
    const registry = new Registry()
    new Gauge({ name: 'wimz_test', help: 'x', registers: [registry] }).set(value)
    const own = await memory.connect(service)
    memory.use(publishMetrics({ bus: own, registry, service, log: memory.log, every: 50 }))
    await seen.next({ where: (_, params) => params.service === service, within: 10_000 })
  }
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const text = await response.text()
  assert.match(text, /^wimz_test\{service="vision"\} 3$/m)
  assert.match(text, /^wimz_test\{service="webrtc"\} 4$/m)
  assert.match(text, /^wimz_service_up\{service="vision"\} 1$/m)
  assert.match(text, /^process_resident_memory_bytes\{service="webrtc"\} \d+$/m)
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds\{service="vision"\}/m)
  assert.match(text, /^wimz_mqtt_reconnects_total\{service="vision"\} 0$/m)
  assert.equal(text.match(/^# TYPE process_resident_memory_bytes gauge$/gm)?.length, 1)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
  const foreign = { Origin: 'https://evil.example' }
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { headers: foreign })).status, 403)
  const rebound = request(`http://127.0.0.1:${port}/metrics`, { headers: { Host: `evil.example:${port}` } })
  rebound.end()
  const [answer] = await once(rebound, 'response')
  answer.resume()
  assert.equal(answer.statusCode, 403)
})

test('a lost and regained broker counts as one reconnect', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const registry = new Registry()
  memory.use(publishMetrics({ bus, registry, service: 'vision', log: memory.log }))
  const { promise, resolve } = Promise.withResolvers<void>()
  memory.use(bus.onConnect(resolve))
  memory.cut('vision')
  await promise
  assert.match(await registry.metrics(), /^wimz_mqtt_reconnects_total\{service="vision"\} 1$/m)
})

test('a histogram crosses the bus complete, and values that are not numbers are left out', async () => {
  const registry = new Registry()
  registry.setDefaultLabels({ service: 'vision' })
  const histogram = new Histogram({ name: 'h', help: 'x', buckets: [1, 2], registers: [registry] })
  histogram.observe(0.5)
  histogram.observe(1.5)
  new Gauge({ name: 'g', help: 'x', registers: [registry] }).set(Number.NaN)
  const said = JSON.parse(JSON.stringify(await registry.getMetricsAsJSON()))
  const collection = new Collection({ connected: true })
  collection.ingest('vision', said)
  const text = await collection.text()
  assert.match(text, /^h_bucket\{le="1",service="vision"\} 1$/m)
  assert.match(text, /^h_bucket\{le="\+Inf",service="vision"\} 2$/m)
  assert.match(text, /^h_sum\{service="vision"\} 2$/m)
  assert.doesNotMatch(text, /^g[ {]/m)
})

test('metrics of a silent or offline service are left out', async () => {
  let now = 0
  const collection = new Collection({ connected: true }, () => now)
  const one = (name: string) => [
    { name, help: 'x', type: 'gauge' as const, values: [{ value: 1, labels: {} }] },
  ]
  collection.ingest('vision', one('a'))
  collection.ingest('webrtc', one('b'))
  collection.setOnline('webrtc', false)
  assert.match(await collection.text(), /^a 1$/m)
  assert.doesNotMatch(await collection.text(), /^b 1$/m)
  assert.match(await collection.text(), /^wimz_service_up\{service="webrtc"\} 0$/m)
  now = 31_000
  assert.doesNotMatch(await collection.text(), /^a 1$/m)
})

test('without the bus no service is up and no old metrics are shown; both return with the bus', async (t) => {
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const log = createLogger('test', { write: () => undefined })
  const [port = 0, brokerPort = 0] = await freePorts(2)
  const join = async (service: string) => {
    const url = `mqtt://127.0.0.1:${brokerPort}`
    return stack.use(await connectBus({ url, prefix: 'wimz', service, version: '0.0.0', log }))
  }
  const pageWith = async (...lines: RegExp[]) => {
    let text = ''
    const isThere = async () => {
      text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      return lines.every((line) => line.test(text))
    }
    await until(isThere, { deadline: 30_000, every: 20, show: () => ({ lines, text }) })
    return text
  }
  const broker = await startOpenBroker(log, { port: brokerPort })
  const metrics = MetricsSection.parse({ port })
  stack.use(await startMetrics({ bus: await join('metrics'), config: { metrics }, log }))
  const vision = await join('vision')
  const figure = [{ name: 'a', help: 'x', type: 'gauge' as const, values: [{ value: 1, labels: {} }] }]
  await vision.publish(topics.metrics, figure, { service: 'vision' })
  await pageWith(/^wimz_bus_connected 1$/m, /^wimz_service_up\{service="vision"\} 1$/m, /^a 1$/m)
  await broker[Symbol.asyncDispose]()
  const alone = await pageWith(/^wimz_bus_connected 0$/m)
  assert.match(alone, /^wimz_service_up\{service="vision"\} 0$/m)
  assert.doesNotMatch(alone, /^wimz_service_up\{.*\} 1$/m)
  assert.doesNotMatch(alone, /^a 1$/m)
  stack.use(await startOpenBroker(log, { port: brokerPort }))
  await pageWith(/^wimz_bus_connected 1$/m, /^wimz_service_up\{service="vision"\} 1$/m)
})

test('the state of the exporter itself does not count as metrics of a service', async (t) => {
  const memory = await memoryBus(t)
  const [port = 0] = await freePorts(1)
  const bus = await memory.connect('metrics') // its retained state is there before it subscribes
  memory.use(
    await startMetrics({ bus, config: { metrics: MetricsSection.parse({ port }) }, log: memory.log }),
  )
  const page = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  await until(async () => /^wimz_service_up\{service="metrics"\} 1$/m.test(await page()), { every: 20 })
  assert.deepEqual(
    memory.logged.filter(({ msg }) => msg === 'invalid message dropped'),
    [],
  )
  assert.throws(() => topics.metrics.name({ service: 'state' }), /belongs to another topic/)
})

test('a service that stopped while the bus was lost does not count as up after the reconnect', async () => {
  const collection = new Collection({ connected: true })
  collection.setOnline('vision', true)
  collection.setOnline('webrtc', true)
  collection.forget()
  collection.setOnline('webrtc', true)
  const text = await collection.text()
  assert.match(text, /^wimz_service_up\{service="vision"\} 0$/m)
  assert.match(text, /^wimz_service_up\{service="webrtc"\} 1$/m)
  collection.ingest('vision', []) // a service that publishes is up
  assert.match(await collection.text(), /^wimz_service_up\{service="vision"\} 1$/m)
})

test('a flood of services is bounded', async () => {
  const collection = new Collection({ connected: true })
  for (let i = 0; i < 1_000; i++) {
    collection.ingest(`s${i}`, [{ name: `m${i}`, help: 'x', type: 'gauge', values: [] }])
    collection.setOnline(`s${i}`, true)
  }
  assert.equal((await collection.text()).match(/^wimz_service_up/gm)?.length, 32)
})

test('a port that is in use is a configuration error', async (t) => {
  const memory = await memoryBus(t)
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const metrics = MetricsSection.parse({ port })
  await assert.rejects(
    startMetrics({ bus: await memory.connect('metrics'), config: { metrics }, log: memory.log }),
    (err) => err instanceof ConfigError && /set metrics\.port to a free port/.test(err.message),
  )
})

test('the port is open on 127.0.0.1 alone', async (t) => {
  const memory = await memoryBus(t)
  const [port = 0] = await freePorts(1)
  const bus = await memory.connect('metrics')
  memory.use(
    await startMetrics({ bus, config: { metrics: MetricsSection.parse({ port }) }, log: memory.log }),
  )
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 200)
  await assert.rejects(fetch(`http://127.0.0.2:${port}/metrics`))
  await assert.rejects(fetch(`http://[::1]:${port}/metrics`))
})

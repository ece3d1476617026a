import { type Duplex, duplexPair } from 'node:stream'
import type { TestContext } from 'node:test'
import { type Broker, createBroker } from '#broker/broker.ts'
import { type Bus, connectBus } from '#bus/bus.ts'
import type { BusOptions } from '#bus/client.ts'
import { refuseSecrets } from '#dev/harness/secrets.ts'
import { createLogger, type Logger } from '#lib/logger.ts'
import { openAuthorizer } from './open-access.ts'

/** A real broker and real clients over in-memory streams: real packets, no port. Closed after the test. */
export interface MemoryBus {
  broker: Broker
  log: Logger
  /** Lines that were logged, parsed. */
  logged: Record<string, unknown>[]
  /** A client with this service name. It is closed after the test; a test may also dispose it earlier. */
  connect(service: string, options?: Pick<BusOptions, 'announce'>): Promise<Bus>
  /** Disposes this after the test, before the clients that it was given. */
  use<T extends AsyncDisposable | Disposable>(thing: T): T
  /** Cuts the connection of this client, or of all, without a DISCONNECT; they come back by themselves. */
  cut(service?: string): void
}

export async function memoryBus(t: TestContext): Promise<MemoryBus> {
  const logged: Record<string, unknown>[] = []
  const log = createLogger('test', {
    write(line) {
      refuseSecrets(line)
      logged.push(JSON.parse(line))
    },
  })
  log.level = 'trace' // every line is looked at
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const broker = stack.use(await createBroker({ log, createAuthorizer: openAuthorizer }))
  const streams = new Set<{ service: string; stream: Duplex }>()
  const openStream = (service: string) => {
    const [near, far] = duplexPair()
    // each side's end must end the other, or MQTT.js's endAsync() never resolves
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    near.on('error', () => {})
    far.on('error', () => {})
    const entry = { service, stream: near }
    streams.add(entry)
    near.on('close', () => streams.delete(entry))
    broker.aedes.handle(far)
    return near
  }
  return {
    broker,
    log,
    logged,
    async connect(service, { announce = true } = {}) {
      const bus = await connectBus({
        url: 'mqtt://memory',
        prefix: 'wimz',
        service,
        version: '0.0.0',
        log,
        announce,
        stream: () => openStream(service),
      })
      return stack.use(bus)
    },
    use: (thing) => stack.use(thing),
    cut(service) {
      for (const one of streams) if (service === undefined || one.service === service) one.stream.destroy()
    },
  }
}

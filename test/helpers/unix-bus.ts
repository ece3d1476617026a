import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBroker } from '#broker/broker.ts'
import { type Bus, connectBus } from '#bus/bus.ts'
import { createLogger } from '#lib/logger.ts'
import { openAuthorizer } from './open-access.ts'

/** A real broker on a Unix socket: processes in other network namespaces reach it as well. */
export async function openUnixBroker(): Promise<{ path: string } & AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'wimz-bus-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const broker = stack.use(
    await createBroker({
      log: createLogger('broker', { write: () => undefined }),
      createAuthorizer: openAuthorizer,
    }),
  )
  const path = join(folder, 'bus')
  const server = createServer((socket) => void broker.aedes.handle(socket))
  await new Promise<void>((resolve) => server.listen(path, resolve))
  stack.defer(() => void server.close())
  return { path, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** A client of it. */
export function connectUnixBus(path: string, service: string): Promise<Bus> {
  const log = createLogger(service, { write: () => undefined })
  const stream = () => connect(path)
  const options = { url: 'mqtt://unix', prefix: 'wimz', service, version: '0.0.0', log, announce: false }
  return connectBus({ ...options, stream })
}

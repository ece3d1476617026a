import { once } from 'node:events'
import { createServer } from 'node:net'

/** TCP ports of 127.0.0.1 that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address && typeof address === 'object') ports.push(address.port)
  }
  for (const server of servers) server.close()
  return ports
}

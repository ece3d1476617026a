import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that the kernel gives to connections and to listeners on port 0 (from 32,768 on; Linux, ip-sysctl,
 * ip_local_port_range): one of those may be taken before its test listens on it.
 */
const [FIRST, COUNT] = [20_000, 12_000]
/** Of this process: two calls never return the same port. */
const given = new Set<number>()

/** TCP ports of 127.0.0.1 that nothing listens on. Rejects when the address does not exist. */
export async function freePorts(count: number, address = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (given.has(port) || !(await isFree(port, address))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

async function isFree(port: number, address: string): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, address)
    await once(server, 'listening')
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'EADDRINUSE') return false
    throw err
  }
  server.close()
  await once(server, 'close')
  return true
}

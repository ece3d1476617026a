import { once } from 'node:events'
import type { Server } from 'node:net'
import { ConfigError } from '../config-error.ts'

/**
 * Listens on a TCP address and returns the port (the assigned one where it was 0). Throws {@link ConfigError} when that is
 * not possible; `taken` is the advice when the address is already in use.
 */
export async function listen(
  server: Server,
  { section, host, port, taken }: { section: string; host: string; port: number; taken: string },
): Promise<number> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    const hint = code === 'EADDRINUSE' ? taken : code
    throw new ConfigError(`${section}: cannot listen on ${host}:${port}: ${hint}`, { cause: err })
  }
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}

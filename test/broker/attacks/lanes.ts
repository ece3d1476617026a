import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Ports of the broker under attack. */
interface Target {
  port: number
  wsPort: number
}

export type Attack = (target: Target, isOver: () => boolean) => Promise<void>

/** Connects; undefined if the broker closes the connection at once. */
export async function open({ port }: Target, first?: Buffer): Promise<Socket | undefined> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  try {
    await once(socket, 'connect')
  } catch {
    return undefined
  }
  if (first) socket.write(first)
  return socket
}

/** Writes as fast as the broker reads. Returns when the connection has ended or `limit` writes are done. */
export async function flood(
  socket: Socket | undefined,
  next: (i: number) => Buffer,
  isOver: () => boolean,
  limit = Infinity,
) {
  for (let i = 0; socket && !socket.destroyed && !isOver() && i < limit; i++) {
    if (!socket.write(next(i))) await drained(socket)
  }
}

/** Resolves when the socket has drained or closed, at the latest after one second. */
async function drained(socket: Socket): Promise<void> {
  const over = new AbortController()
  const { signal } = over
  const waits = [once(socket, 'drain', { signal }), once(socket, 'close', { signal })]
  await Promise.race([...waits, sleep(1_000, undefined, { signal })]).catch(() => {})
  for (const wait of waits) wait.catch(() => {})
  // removes the listeners of the others
  over.abort()
}

/** The same attack on several connections, again and again. */
export function lanes(count: number, run: Attack): Attack {
  return async (target, isOver) => {
    await Promise.all(
      Array.from({ length: count }, async () => {
        while (!isOver()) {
          await run(target, isOver)
          await sleep(5)
        }
      }),
    )
  }
}

/** Writes `first` and closes soon after. */
export const poke =
  (make: () => Buffer, wait = 20): Attack =>
  async (target) => {
    const socket = await open(target, make())
    await sleep(wait)
    socket?.destroy()
  }

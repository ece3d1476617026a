import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket as UdpSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { classes, Message, methods, TcpTransport, TlsTransport, TurnProtocol, UdpTransport } from 'werift'

/**
 * Everything that werift opens while it gathers the candidates of one peer, so that closing the peer closes it all.
 *
 * werift 0.25.2 knows only of what answered: the socket, the timers and the TCP fallback of a TURN server that stays
 * silent live on for some 40 s after `close()`. It also leaves UDP sockets without an `error` listener, so that a port
 * which is taken between its probe and its bind would end the process. Both are mended here, on its prototypes.
 */
export interface Gathering {
  /** Runs `gather`, and owns what it opens. */
  run<T>(gather: () => T): T
  /** A part of it that may be closed before the rest. */
  branch(): Gathering
  /** Bytes that wait in this process for the network. */
  backlog(): number
  /** Resolves when everything is closed. Never rejects. */
  close(): Promise<void>
}

interface Opened {
  closed: boolean
  sockets: Set<UdpSocket>
  streams: Set<Socket>
  turns: Set<TurnProtocol>
  branches: Set<Gathering>
}

/** What is private in werift's Transaction. */
interface TransactionInsides {
  failWithTimeout(): void
}

const current = new AsyncLocalStorage<Opened>()

/** Was what runs now begun by the gathering of some peer? */
export function isGathering(): boolean {
  return current.getStore() !== undefined
}

export function createGathering(): Gathering {
  const opened: Opened = {
    closed: false,
    sockets: new Set(),
    streams: new Set(),
    turns: new Set(),
    branches: new Set(),
  }
  return {
    run: (gather) => current.run(opened, gather),
    branch() {
      const branch = createGathering()
      if (opened.closed) void branch.close()
      else opened.branches.add(branch)
      const close = async () => {
        await branch.close()
        opened.branches.delete(branch)
      }
      return { ...branch, close }
    },
    backlog() {
      let bytes = 0
      for (const socket of opened.sockets) bytes += socket.getSendQueueSize()
      for (const stream of opened.streams) bytes += stream.writableLength
      for (const branch of opened.branches) bytes += branch.backlog()
      return bytes
    },
    async close() {
      opened.closed = true
      for (const turn of opened.turns) {
        for (const transaction of Object.values(turn.transactions) as unknown as TransactionInsides[]) {
          transaction.failWithTimeout()
        }
      }
      await Promise.allSettled([
        ...Array.from(opened.turns, (turn) => turn.close()),
        ...Array.from(opened.branches, (branch) => branch.close()),
      ])
      for (const socket of opened.sockets) closeQuietly(socket)
      for (const stream of opened.streams) stream.destroy()
    },
  }
}

function closeQuietly(socket: UdpSocket): void {
  try {
    socket.close()
  } catch {
    // ERR_SOCKET_DGRAM_NOT_RUNNING: werift was faster
  }
}

interface UdpInsides {
  socket: UdpSocket
  options: { port?: number; portRange?: [number, number]; interfaceAddresses?: Record<string, string> }
  socketType: string
}

/** Binds as {@link UdpTransport} does, but takes the next port of the range when one is in use. */
async function initUdp(this: UdpInsides): Promise<void> {
  const { socket, options } = this
  socket.on('error', () => undefined) // ICE finds out by itself that a path is dead
  const opened = current.getStore()
  if (opened?.closed) {
    socket.close()
    throw new Error('peer closed')
  }
  opened?.sockets.add(socket)
  socket.once('close', () => opened?.sockets.delete(socket))
  const address = options.interfaceAddresses?.[this.socketType]
  for (const port of ports(options)) if (await bind(socket, port, address)) return
  socket.close()
  throw new Error('no free UDP port')
}

/** Starts anywhere in the range, so that the sockets of one peer seldom meet. */
function* ports({ port, portRange }: UdpInsides['options']): Generator<number> {
  if (!portRange) return yield port ?? 0
  const [from, to] = portRange
  const size = to - from + 1
  const start = Math.floor(Math.random() * size)
  for (let i = 0; i < size; i++) yield from + ((start + i) % size)
}

function bind(socket: UdpSocket, port: number, address: string | undefined): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const failed = () => resolve(false)
  socket.once('error', failed)
  socket.once('close', failed)
  socket.bind({ port, ...(address ? { address } : {}) }, () => resolve(true))
  return promise.finally(() => {
    socket.off('error', failed)
    socket.off('close', failed)
  })
}

interface StreamInsides {
  stream: { client: Socket; waitForConnect(): Promise<void> }
}

/** Nagle's algorithm would hold small packets back for an acknowledgement: RFC 9293 §3.7.4. */
async function initStream(this: StreamInsides): Promise<void> {
  const opened = current.getStore()
  const { client } = this.stream
  opened?.streams.add(client)
  client.once('close', () => opened?.streams.delete(client))
  client.setNoDelay(true)
  if (opened?.closed) client.destroy(new Error('peer closed'))
  await this.stream.waitForConnect()
}

/** TypeScript cannot know the private methods that are replaced, hence through `Object.assign`. */
Object.assign(UdpTransport.prototype, { init: initUdp })
Object.assign(TcpTransport.prototype, { init: initStream })
Object.assign(TlsTransport.prototype, { init: initStream })

const allocate = TurnProtocol.prototype.connectionMade
TurnProtocol.prototype.connectionMade = function connectionMade(this: TurnProtocol) {
  current.getStore()?.turns.add(this)
  return allocate.call(this)
}

/** An allocation is given back before its socket goes: milliseconds that the server has to hear of it. */
const FREE_BUDGET = 300

const closeTurn = TurnProtocol.prototype.close
const closing = new WeakMap<TurnProtocol, Promise<void>>()
TurnProtocol.prototype.close = function close(this: TurnProtocol) {
  const begun = closing.get(this) ?? free(this).finally(() => closeTurn.call(this))
  closing.set(this, begun)
  return begun
}

/**
 * RFC 8656 §3.8: a Refresh with a lifetime of 0. Otherwise the server would keep the allocation for ten minutes, and most
 * allow one account only so many.
 */
async function free(turn: TurnProtocol): Promise<void> {
  if (!turn.relayedAddress) return
  const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute('LIFETIME', 0)
  await turn.requestWithRetry(request, turn.server, AbortSignal.timeout(FREE_BUDGET)).catch(() => undefined)
}

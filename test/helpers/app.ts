import { once } from 'node:events'
import { WebSocket } from 'ws'

type Frame = Record<string, unknown>

/** An owner's app at the local relay, without video. */
export interface App extends Disposable {
  /** Everything that the relay has sent, oldest first. */
  readonly frames: Frame[]
  /** The relay has ended the connection. */
  readonly isClosed: boolean
  send(frame: Frame): void
  /** The first frame, also of those that came before, that satisfies `where`. */
  frame(where: (frame: Frame) => boolean, within?: number): Promise<Frame>
}

/** Opens an app's connection to the relay of a stack; `onFrame` is called for each frame of the relay. */
export async function openApp(relayPort: number, onFrame: (frame: Frame) => void = () => {}): Promise<App> {
  const socket = new WebSocket(`ws://127.0.0.1:${relayPort}/ws/app`)
  await once(socket, 'open', { signal: AbortSignal.timeout(5_000) })
  const frames: Frame[] = []
  const wakers = new Set<() => void>()
  socket.on('message', (text) => {
    const frame: Frame = JSON.parse(String(text))
    frames.push(frame)
    onFrame(frame)
    for (const wake of wakers) wake()
  })
  socket.on('error', () => {}) // the relay is killed
  const send = (frame: Frame) => socket.send(JSON.stringify(frame))
  send({ type: 'session_hello', session_id: crypto.randomUUID() })
  // the relay closes an app that sends no ping for 25 s (docs/relay-protocol.md#limits)
  const pinging = setInterval(() => socket.readyState === WebSocket.OPEN && send({ type: 'ping' }), 5_000)
  return {
    frames,
    get isClosed() {
      return socket.readyState >= WebSocket.CLOSING
    },
    send,
    async frame(where, within = 10_000) {
      const { promise, resolve, reject } = Promise.withResolvers<Frame>()
      const look = () => {
        const found = frames.find(where)
        if (found) resolve(found)
      }
      const timer = setTimeout(
        () => reject(new Error(`no such frame; the last were ${JSON.stringify(frames.slice(-5))}`)),
        within,
      )
      wakers.add(look)
      look()
      return await promise.finally(() => {
        clearTimeout(timer)
        wakers.delete(look)
      })
    },
    [Symbol.dispose]() {
      clearInterval(pinging)
      socket.terminate()
    },
  }
}

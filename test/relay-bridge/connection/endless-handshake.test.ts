import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Disconnect } from '#services/relay-bridge/connection/disconnect.ts'
import { RelaySocket, SOCKET_TIMES } from '#services/relay-bridge/connection/relay-socket.ts'

/** How a connection to a relay ends that answers the upgrade in this way. */
async function connectTo(
  t: TestContext,
  answer: (socket: Socket) => void,
  connect: number,
): Promise<Disconnect> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
    t.after(() => socket.destroy())
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const never = () => assert.fail('not a relay')
  const socket = new RelaySocket({
    url: new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`),
    headers: {},
    times: { ...SOCKET_TIMES, connect },
    ...{ onDate: never, onOpen: never, onRegistered: never, onText: never, onUnreadable: never },
  })
  return await socket.ended
}

test('a relay that answers the upgrade a byte at a time does not keep the robot', {
  timeout: 30_000,
}, async (t) => {
  const drip = (socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nX: ')
    const timer = setInterval(() => socket.write('x'), 20)
    socket.on('close', () => clearInterval(timer))
    t.after(() => clearInterval(timer))
  }
  const { reason, mayBeOpen } = await connectTo(t, drip, 300)
  assert.equal(reason, 'no answer to the upgrade in time')
  // the relay may still accept it
  assert.ok(mayBeOpen)
})

test('a relay that sends informational answers without end is left at once', {
  timeout: 30_000,
}, async (t) => {
  const flood = (socket: Socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)));
    }
    socket.on('drain', more)
    more()
  }
  const { reason } = await connectTo(t, flood, 25_000)
  assert.equal(reason, 'informational answers without end')
})

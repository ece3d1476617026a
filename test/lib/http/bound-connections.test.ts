import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Server } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { boundConnections } from '#lib/http/bound-connections.ts'

test('a client connects although others hold all connections; a WebSocket is not displaced', () => {
  const server = new EventEmitter() as Server
  const exempt = boundConnections(server, 2)
  let port = 0
  const connect = () => {
    const socket = Object.assign(new PassThrough(), { remotePort: ++port })
    server.emit('connection', socket)
    return socket
  }
  const webSocket = connect()
  exempt(webSocket)
  const others = [connect(), connect(), connect()]
  assert.deepEqual(
    [webSocket, ...others].map(({ destroyed }) => destroyed),
    [false, true, false, false],
  )
})

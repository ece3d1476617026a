import { appendFileSync } from 'node:fs'
import { WebSocketServer } from 'ws'

/** A relay in a process of its own, to be killed: writes down every event before it answers the next ping. */
const [, , port = '', path = '', host = '127.0.0.1'] = process.argv
const server = new WebSocketServer({ host, port: Number(port) })
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const frame = JSON.parse(data.toString()) as Record<string, unknown>
    if (frame.type === 'ping') socket.send('{"type":"pong"}')
    else if (typeof frame.n === 'number') appendFileSync(path, `${frame.n} ${String(frame.id)}\n`)
  })
})
server.on('listening', () => process.stdout.write('listening\n'))

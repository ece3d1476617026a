import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { accepted, frame, OPCODE, write } from './wire.ts'

/** One connection of the robot, from its request on. */
export interface Victim {
  socket: Socket
  request: IncomingMessage
  /** Aborted at the end of the attack. */
  signal: AbortSignal
  /** Returns a number below its argument. */
  pick(below: number): number
}

type Attack = (victim: Victim) => unknown

const PROFILES = frame(OPCODE.text, '{"type":"profiles","profiles":[]}')
const BOMB = deflateRawSync(Buffer.alloc(256 * 2 ** 20, 'x'))
const JSON_BOMB = gzipSync(Buffer.alloc(256 * 2 ** 20, '['))

async function repeat({ socket, signal }: Victim, next: () => string | Uint8Array): Promise<void> {
  while (await write(socket, next(), signal));
}

async function slowly({ socket, signal }: Victim, bytes: string | Uint8Array, ms: number): Promise<void> {
  for (const byte of Buffer.from(bytes)) {
    if (!(await write(socket, Uint8Array.of(byte), signal))) return
    await sleep(ms)
  }
}

/** Accepts the upgrade and registers the robot, then sends these bytes again and again. */
function after(next: (victim: Victim) => string | Uint8Array, begin: Uint8Array = Buffer.alloc(0)): Attack {
  return async (victim) => {
    victim.socket.resume()
    victim.socket.write(accepted(victim.request))
    victim.socket.write(Buffer.concat([PROFILES, begin]))
    await repeat(victim, () => next(victim))
  }
}

const bytes = ({ pick }: Victim, most: number) =>
  Buffer.from(Array.from({ length: pick(most) }, () => pick(256)))

/** Attacks on a robot that has registered. */
export const AFTER_REGISTRATION: Readonly<Record<string, Attack>> = {
  'compressed frames without negotiation': after(() => frame(OPCODE.text, BOMB, { rsv1: true })),
  'fragments of a byte without end': after(
    () => Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODE.continuation, 'x', { fin: false }))),
    frame(OPCODE.text, '{', { fin: false }),
  ),
  'empty fragments without end': after(
    () => Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODE.continuation, '', { fin: false }))),
    frame(OPCODE.text, '{', { fin: false }),
  ),
  'fragments of 1 MiB without end': after(
    () => frame(OPCODE.continuation, Buffer.alloc(2 ** 20, 'x'), { fin: false }),
    frame(OPCODE.text, '{', { fin: false }),
  ),
  'a frame of 2^60 bytes': after(() => {
    const head = Buffer.from([0x81, 127, 0x10, 0, 0, 0, 0, 0, 0, 0])
    return Buffer.concat([head, Buffer.alloc(65_536, 'x')])
  }),
  'a flood of pings': after(() =>
    Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODE.ping, 'x'.repeat(125)))),
  ),
  'a flood of pings whose pongs are not read': (victim) => {
    victim.socket.write(accepted(victim.request))
    victim.socket.write(PROFILES)
    victim.socket.pause()
    const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODE.ping, 'x'.repeat(125))))
    return repeat(victim, () => pings)
  },
  'a flood of pongs': after(() => Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODE.pong, 'x')))),
  'control frames in fragments': after((victim) =>
    Buffer.concat([
      frame(OPCODE.text, '{"type":"profi', { fin: false }),
      frame(OPCODE.ping, 'x'),
      frame(OPCODE.pong),
      frame(OPCODE.continuation, 'les","profiles":[', { fin: false }),
      ...(victim.pick(500) === 0 ? [frame(OPCODE.close, bytes(victim, 125))] : [frame(OPCODE.ping)]),
      frame(OPCODE.continuation, ']}'),
    ]),
  ),
  'forbidden frames': after(
    (victim) =>
      [
        frame(OPCODE.ping, 'x'.repeat(126)),
        frame(OPCODE.ping, 'x', { fin: false }),
        frame(3 + victim.pick(5), 'x'),
        frame(11 + victim.pick(5), 'x'),
        frame(OPCODE.text, '{}', { masked: true }),
        frame(OPCODE.continuation, 'x'),
        frame(OPCODE.text, Buffer.from([0xff, 0xc0, 0x80])),
        frame(OPCODE.close, Buffer.from([victim.pick(256), victim.pick(256), 0xff])),
        frame(OPCODE.close, 'x'),
      ][victim.pick(9)] as Buffer,
  ),
  'garbage after 101': after((victim) => bytes(victim, 4_000)),
  'nothing is read': ({ socket, request }) => {
    socket.write(accepted(request))
    socket.write(PROFILES)
    socket.pause()
  },
}

/** The robot then waits for 25 s, as a relay may still have the connection. */
export const BEFORE_REGISTRATION: Readonly<Record<string, Attack>> = {
  'compression that was not offered, and a bomb': (victim) => {
    victim.socket.write(accepted(victim.request, ['Sec-WebSocket-Extensions: permessage-deflate']))
    return repeat(victim, () => frame(OPCODE.text, BOMB, { rsv1: true }))
  },
  'nothing after 101': (victim) => victim.socket.write(accepted(victim.request)),
  'no answer': () => {},
  'FIN after 101': (victim) => victim.socket.end(accepted(victim.request)),
  'FIN instead of an answer': ({ socket }) => socket.end(),
  'RST after 101': (victim) =>
    victim.socket.write(accepted(victim.request), () => victim.socket.resetAndDestroy()),
  'an answer that is not HTTP': (victim) => repeat(victim, () => bytes(victim, 4_000)),
  'a wrong accept key': ({ socket, request }) =>
    socket.write(accepted({ headers: { ...request.headers, 'sec-websocket-key': 'x' } } as IncomingMessage)),
  'a redirect to itself': ({ socket, request }) =>
    socket.end(
      `HTTP/1.1 302 Found\r\nLocation: http://${request.headers.host}/\r\nContent-Length: 0\r\n\r\n`,
    ),
  'a refusal with a body without end': async (victim) => {
    victim.socket.write('HTTP/1.1 500 No\r\nRetry-After: 1e9\r\n\r\n')
    await repeat(victim, () => Buffer.alloc(65_536, 'x'))
  },
  'headers without end': async (victim) => {
    victim.socket.write('HTTP/1.1 101 Switching Protocols\r\n')
    await repeat(victim, () => `X-${victim.pick(1e9)}: ${'x'.repeat(500)}\r\n`)
  },
  'informational answers without end': (victim) =>
    repeat(victim, () =>
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n'.repeat(100),
    ),
  'a handshake of a byte a second': (victim) => slowly(victim, accepted(victim.request), 1_000),
  'frames of a byte a second': async (victim) => {
    victim.socket.write(accepted(victim.request))
    await slowly(victim, Buffer.concat([PROFILES, PROFILES]), 1_000)
  },
}

/** What the relay does with an HTTP request. */
export const HTTP_ATTACKS: readonly ((response: ServerResponse) => unknown)[] = [
  () => {},
  (response) => response.end(Buffer.alloc(2 ** 21, '[')),
  (response) => response.setHeader('content-encoding', 'gzip').end(JSON_BOMB),
  (response) => response.end('['.repeat(500_000)),
  (response) => response.end('{"robot_connections":{"length":1e9},"server_ts":"x"}'),
  (response) => response.end('{"robot_connections":[null,{},5],"server_ts":1e999}'),
  (response) => response.writeHead(302, { Location: '/' }).end(),
  (response) => response.socket?.resetAndDestroy(),
  (response) => response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{'),
  (response) => void stream(response, '[', 1_000),
  (response) => void stream(response, 'x'.repeat(65_536), 0),
]

async function stream(response: ServerResponse, piece: string, ms: number): Promise<void> {
  while (!response.destroyed) {
    response.write(piece)
    await sleep(ms)
  }
}

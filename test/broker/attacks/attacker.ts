import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import * as raw from '../protocol/raw-client.ts'
import { type Attack, flood, lanes, open, poke } from './lanes.ts'

const hello = (options: Parameters<typeof raw.connect>[0] = {}) => raw.connect({ keepAlive: 0, ...options })
const batch = (count: number, make: (i: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)))
let serial = 0

/** Each of the attacks that a stranger on the same machine can try without a password. */
export const ATTACKS: Record<string, Attack> = {
  'malformed remaining length': lanes(
    8,
    poke(() => Buffer.concat([hello(), Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])])),
  ),
  'CONNECT with fields of 65,535 bytes': lanes(
    8,
    poke(() => hello({ id: 'x'.repeat(65_000), username: 'y'.repeat(65_000), password: 'z'.repeat(65_000) })),
  ),
  'client ids of 60 kB': lanes(
    8,
    poke(() => hello({ id: `${serial++}${'x'.repeat(60_000)}` })),
  ),
  'slow loris': async (target, isOver) => {
    const sockets: (Socket | undefined)[] = []
    const packet = hello({ id: 'x'.repeat(1_000) })
    for (let i = 0; !isOver(); i++) {
      if (i % 10 === 0 && sockets.length < 1_000) sockets.push(await open(target))
      const socket = sockets[i % sockets.length]
      socket?.write(packet.subarray((i / 10) % 1_000, ((i / 10) % 1_000) + 1))
      if (i % 50 === 0) await sleep(2)
    }
    for (const socket of sockets) socket?.destroy()
  },
  'connections without a CONNECT': async (target, isOver) => {
    const sockets: (Socket | undefined)[] = []
    while (!isOver()) {
      sockets.push(await open(target))
      if (sockets.length > 1_500) sockets.shift()?.destroy()
      await sleep(2)
    }
    for (const socket of sockets) socket?.destroy()
  },
  '10,000 filters': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) =>
        raw.subscribe(
          1 + (i % 60_000),
          ...Array.from({ length: 1_000 }, (_, n): [string, number] => [`wimz/event/${i}/${n}/+/#`, 1]),
        ),
      isOver,
      10,
    )
    await sleep(200)
    socket?.destroy()
  }),
  'one SUBSCRIBE of 60 kB': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      () => raw.subscribe(1, ...Array.from({ length: 12_000 }, (): [string, number] => ['#', 2])),
      isOver,
      20,
    )
    await sleep(200)
    socket?.destroy()
  }),
  'overlapping filters': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    const filters = [
      '#',
      'wimz/#',
      'wimz/+/#',
      'wimz/event/#',
      'wimz/event/+',
      'wimz/+/+',
      '+/#',
      '+/+/+',
      '+/event/+',
      'wimz/event/t',
    ]
    const many = Array.from({ length: 480 }, (_, i): [string, number] => [
      `${filters[i % 10]}${i < 10 ? '' : `/${i}`}`.replace('#/', '+/'),
      2,
    ])
    socket?.write(raw.subscribe(1, ...filters.map((f): [string, number] => [f, 2]), ...many))
    await flood(
      socket,
      (i) => batch(50, (n) => raw.publish('wimz/event/t', 'x', { qos: 1, id: 1 + ((i * 50 + n) % 65_535) })),
      isOver,
      200,
    )
    socket?.destroy()
  }),
  'topics of 65,535 slashes': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(socket, () => raw.publish(`wimz/event/${'/'.repeat(65_000)}`), isOver, 500)
    socket?.destroy()
  }),
  'filters of 65,535 slashes': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(socket, (i) => raw.subscribe(1 + i, [`wimz/event/${i}${'/'.repeat(60_000)}`, 1]), isOver, 200)
    await flood(socket, () => raw.publish(`wimz/event/${'/'.repeat(60_000)}`), isOver, 200)
    socket?.destroy()
  }),
  'filters of 30,000 wildcards': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(socket, (i) => raw.subscribe(1 + i, [`wimz/${'+/'.repeat(30_000 - i)}#`, 1]), isOver, 100)
    await flood(socket, () => raw.publish(`wimz/event/${'/'.repeat(60_000)}`), isOver, 200)
    socket?.destroy()
  }),
  'retained topics': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      () => batch(50, () => raw.publish(`wimz/telemetry/${serial++}`, 'x'.repeat(500), { retain: true })),
      isOver,
      500,
    )
    socket?.destroy()
  }),
  'last wills': lanes(8, async (target) => {
    const socket = await open(
      target,
      hello({ will: { topic: 'wimz/event/w', payload: 'x'.repeat(60_000), qos: 1, retain: true } }),
    )
    await sleep(10)
    socket?.destroy()
  }),
  'QoS 2 without PUBREL': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello({ id: `q${serial++ % 40}`, clean: false }))
    await flood(
      socket,
      (i) => raw.publish('wimz/event/x', 'x'.repeat(5_000), { qos: 2, id: 1 + (i % 65_535) }),
      isOver,
      1_000,
    )
    socket?.destroy()
  }),
  'acknowledgments of unknown ids': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) =>
        batch(100, (n) => {
          const id = 1 + ((i * 100 + n) % 65_535)
          return Buffer.concat([raw.puback(id), raw.pubrec(id), raw.pubrel(id), raw.pubcomp(id)])
        }),
      isOver,
      500,
    )
    socket?.destroy()
  }),
  'one packet id for all messages': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      () => batch(50, () => raw.publish('wimz/event/x', 'x', { qos: 1, id: 7 })),
      isOver,
      1_000,
    )
    await flood(
      socket,
      () => batch(50, () => raw.publish('wimz/event/x', 'x', { qos: 2, id: 7 })),
      isOver,
      1_000,
    )
    socket?.destroy()
  }),
  'PINGREQ flood': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(socket, () => batch(1_000, () => raw.PINGREQ), isOver, 1_000)
    socket?.destroy()
  }),
  'PINGREQ flood without reading': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello())
    socket?.pause()
    await flood(socket, () => batch(1_000, () => raw.PINGREQ), isOver, 5_000)
    socket?.destroy()
  }),
  'subscribers that never read': async (target, isOver) => {
    const sockets = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        open(target, Buffer.concat([hello({ id: `deaf${i}` }), raw.subscribe(1, ['#', 2])])),
      ),
    )
    for (const socket of sockets) socket?.pause()
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) => raw.publish('wimz/event/x', 'x'.repeat(10_000), { qos: 1, id: 1 + (i % 65_535) }),
      isOver,
    )
    for (const other of [...sockets, socket]) other?.destroy()
  },
  'events for stored sessions': lanes(1, async (target, isOver) => {
    for (let i = 0; i < 60 && !isOver(); i++) {
      const socket = await open(
        target,
        Buffer.concat([
          hello({ id: `stored${serial++}`, clean: false }),
          raw.subscribe(1, ['wimz/event/#', 2]),
          raw.DISCONNECT,
        ]),
      )
      await sleep(10)
      socket?.destroy()
    }
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) => raw.publish('wimz/event/x', 'x'.repeat(10_000), { qos: 1, id: 1 + (i % 65_535) }),
      isOver,
      2_000,
    )
    socket?.destroy()
  }),
  'one client id in a loop': lanes(
    8,
    poke(() => hello({ id: 'twin', will: { topic: 'wimz/event/twin', payload: 'x' } }), 2),
  ),
  'client ids of the services': lanes(
    8,
    poke(
      () =>
        hello({
          id:
            ['vision-wimz', 'webrtc-wimz', 'relay-bridge-wimz', 'relay-bridge-inbox-wimz', 'vision'][
              serial++ % 5
            ] ?? '',
        }),
      5,
    ),
  ),
  'wrong passwords': lanes(
    8,
    poke(
      () =>
        hello({
          username:
            ['vision', 'operator', 'unknown', `u${serial++}`, '\u202e', '__proto__'][serial % 6] ?? '',
          password: 'x'.repeat(1_000),
        }),
      10,
    ),
  ),
  'shared subscriptions and $SYS': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) =>
        Buffer.concat([
          raw.subscribe(1 + i, ['$share/g/#', 1]),
          raw.subscribe(1 + i, ['$SYS/#', 1]),
          raw.publish('$SYS/broker/uptime', 'x', { qos: 1, id: 1 + i }),
          raw.publish('$share/g/wimz', 'x'),
          raw.publish(`$${serial++}`, 'x', { retain: true }),
        ]),
      isOver,
      1_000,
    )
    socket?.destroy()
  }),
  'denied messages on invented topics': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello({ id: `denied${serial++}` }))
    await flood(
      socket,
      () => batch(50, () => raw.publish(`wimz/command/${serial++}`, 'x'.repeat(50))),
      isOver,
      500,
    )
    socket?.destroy()
  }),
  'events on invented topics': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      () => batch(50, () => raw.publish(`wimz/event/${serial++}`, 'x'.repeat(50))),
      isOver,
      500,
    )
    socket?.destroy()
  }),
  'large messages': lanes(2, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(socket, () => raw.publish('wimz/event/large', Buffer.alloc(9 * 1024 * 1024)), isOver, 10)
    socket?.destroy()
  }),
  'incomplete large messages': lanes(16, async (target) => {
    const socket = await open(
      target,
      Buffer.concat([
        hello(),
        raw.publish('wimz/event/large', Buffer.alloc(7 * 1024 * 1024)).subarray(0, 6 * 1024 * 1024),
      ]),
    )
    await sleep(3_000)
    socket?.destroy()
  }),
  'SUBSCRIBE and UNSUBSCRIBE with retained messages': lanes(4, async (target, isOver) => {
    const socket = await open(target, hello())
    await flood(
      socket,
      (i) => batch(20, () => Buffer.concat([raw.subscribe(1 + i, ['#', 1]), raw.unsubscribe(1 + i, '#')])),
      isOver,
      500,
    )
    socket?.destroy()
  }),
  'packets one byte at a time': lanes(8, async (target, isOver) => {
    const socket = await open(target, hello())
    socket?.setNoDelay(true)
    const packet = raw.publish('wimz/event/slow', 'x'.repeat(100))
    await flood(socket, (i) => packet.subarray(i % packet.length, (i % packet.length) + 1), isOver, 20_000)
    socket?.destroy()
  }),
  'WebSocket handshakes': lanes(8, async ({ wsPort }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${wsPort}`, 'mqtt')
    socket.on('error', () => {})
    await Promise.race([once(socket, 'open'), once(socket, 'close')]).catch(() => {})
    socket.terminate()
  }),
  'WebSocket frames': lanes(4, async ({ wsPort }, isOver) => {
    const socket = new WebSocket(`ws://127.0.0.1:${wsPort}`, 'mqtt', { perMessageDeflate: true })
    socket.on('error', () => {})
    await Promise.race([once(socket, 'open'), once(socket, 'close')]).catch(() => {})
    const bytes = hello({ id: 'x'.repeat(1_000) })
    for (let i = 0; i < bytes.length && socket.readyState === 1; i++)
      socket.send(bytes.subarray(i, i + 1), { fin: i % 3 === 0 })
    for (let i = 0; i < 1_000 && socket.readyState === 1 && !isOver(); i++) socket.ping(Buffer.alloc(125))
    for (let i = 0; i < 10 && socket.readyState === 1; i++)
      socket.send(Buffer.alloc(1024 * 1024), { fin: false })
    await sleep(50)
    socket.terminate()
  }),
}

if (import.meta.main) {
  const [port, wsPort, seconds] = process.argv.slice(2).map(Number)
  if (!port || !wsPort || !seconds) throw new Error('usage: attacker.ts PORT WS_PORT SECONDS')
  // one process for all attacks: each start would cost as much as an attack
  process.on('message', async (name: string) => {
    const until = performance.now() + seconds * 1_000
    await ATTACKS[name]?.({ port, wsPort }, () => performance.now() > until)
    process.send?.(name)
  })
}

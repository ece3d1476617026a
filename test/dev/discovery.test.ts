import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { NetworkInterfaceInfo } from 'node:os'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { type DecodedPacket, decode, encode, type Question } from 'dns-packet'
import { Discovery } from '#dev/relay/discovery.ts'
import { answersTo, recordsOf } from '#dev/relay/dns-sd.ts'
import { hostLabel } from '#lib/local-page/page-addresses.ts'
import { createLogger } from '#lib/logger.ts'

const GROUP = '224.0.0.251'
const ROBOT = { host: 'wimz-05', instance: 'WIM-Z 05', port: 8080 }
const log = createLogger('test', { write() {} })

const isResponse = (bytes: Buffer) => bytes.length > 12 && (bytes.readUInt16BE(2) & 0x8000) !== 0

/** A member of the group on the loopback interface, on a port of this test alone. */
async function member() {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  socket.bind(0)
  await once(socket, 'listening')
  socket.addMembership(GROUP, '127.0.0.1')
  socket.setMulticastInterface('127.0.0.1')
  const packets: DecodedPacket[] = []
  socket.on('message', (bytes) => {
    if (!isResponse(bytes)) return
    packets.push(decode(bytes))
  })
  const next = async () => {
    while (packets.length === 0) await once(socket, 'message', { signal: AbortSignal.timeout(20_000) })
    return packets.shift() as DecodedPacket
  }
  return { socket, port: socket.address().port, packets, next, [Symbol.dispose]: () => void socket.close() }
}

const loopback = () =>
  (networkInterfaces().lo ?? []).filter(({ family }) => family === 'IPv4') as NetworkInterfaceInfo[]

const ask = (socket: Socket, port: number, ...questions: Question[]) =>
  socket.send(encode({ type: 'query', questions }), port, GROUP)

test('it announces page and host name, answers a query, and says goodbye', async () => {
  using browser = await member()
  const { port } = browser
  const discovery = await Discovery.start({ announced: ROBOT, log, interfaces: loopback, port })
  const announced = await browser.next()
  assert.ok(announced.answers?.some((one) => one.type === 'A' && one.data === '127.0.0.1'))

  ask(browser.socket, port, { type: 'PTR', name: '_http._tcp.local' })
  const { answers, additionals } = await browser.next()
  assert.deepEqual(
    answers?.map((one) => [one.type, 'data' in one && one.data]),
    [['PTR', 'WIM-Z 05._http._tcp.local']],
  )
  const server = additionals?.find((one) => one.type === 'SRV')
  assert.deepEqual(server?.type === 'SRV' && [server.data.target, server.data.port], ['wimz-05.local', 8080])

  ask(browser.socket, port, { type: 'A', name: 'WIMZ-05.local' })
  assert.equal((await browser.next()).answers?.[0]?.name, 'wimz-05.local')

  await discovery[Symbol.asyncDispose]()
  const goodbye = await browser.next()
  assert.ok(goodbye.answers?.every((one) => 'ttl' in one && one.ttl === 0))
})

test('a client outside of mDNS gets its answer alone, with its id and question, and a short TTL', async () => {
  using browser = await member()
  await using _discovery = await Discovery.start({
    ...{ announced: ROBOT, log, interfaces: loopback, port: browser.port },
  })
  await using stack = new AsyncDisposableStack()
  const client = createSocket('udp4')
  stack.defer(() => void client.close())
  client.bind(0)
  await once(client, 'listening')
  client.setMulticastInterface('127.0.0.1')
  const query = encode({ type: 'query', id: 77, questions: [{ type: 'A', name: 'wimz-05.local' }] })
  client.send(query, browser.port, GROUP)
  const [bytes] = (await once(client, 'message', { signal: AbortSignal.timeout(20_000) })) as [Buffer]
  const { id, questions, answers } = decode(bytes)
  assert.equal(id, 77)
  assert.equal(questions?.length, 1)
  assert.ok(answers?.every((one) => 'ttl' in one && one.ttl === 10))
})

test('hostile packets are dropped, and the next query is answered', async () => {
  using browser = await member()
  const { port } = browser
  await using _discovery = await Discovery.start({ announced: ROBOT, log, interfaces: loopback, port })
  await browser.next()
  const header = (questions: number, flags = 0) => {
    const bytes = Buffer.alloc(12)
    bytes.writeUInt16BE(flags, 2)
    bytes.writeUInt16BE(questions, 4)
    return bytes
  }
  const name = { type: 'A' as const, name: 'wimz-05.local' }
  const hostile = [
    Buffer.alloc(0),
    Buffer.from([1]),
    header(65_535),
    Buffer.concat([header(16), Buffer.alloc(1_400, 0x3f)]),
    Buffer.concat([header(1), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]), // a name that points to itself
    Buffer.concat([header(1), Buffer.alloc(9_000)]),
    header(1, 0x7800),
    encode({ type: 'query', questions: Array(100).fill(name) }),
    encode({ type: 'response', answers: [{ ...name, data: '10.0.0.1' }] }),
  ]
  for (const bytes of hostile) browser.socket.send(bytes, port, GROUP)
  ask(browser.socket, port, name)
  // the browser hears its own forged response first
  const found = async (): Promise<string | undefined> => {
    const [first] = (await browser.next()).answers ?? []
    return first?.type === 'A' && first.data === '127.0.0.1' ? first.name : await found()
  }
  assert.equal(await found(), 'wimz-05.local')
})

test('a flood of queries gets no more than 40 answers at once', async () => {
  using browser = await member()
  const { port } = browser
  await using _discovery = await Discovery.start({ announced: ROBOT, log, interfaces: loopback, port })
  await browser.next()
  const startedAt = performance.now()
  // what a socket's receive buffer holds, so that none of the answers is lost behind the queries
  for (let i = 0; i < 150; i++) ask(browser.socket, port, { type: 'A', name: 'wimz-05.local' })
  await browser.next()
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
  const seconds = (performance.now() - startedAt) / 1000
  assert.ok(browser.packets.length <= 40 + 20 * seconds, `${browser.packets.length} answers in ${seconds} s`)
})

test('names: the host label is made of the id, and only what is asked for is answered', () => {
  assert.equal(hostLabel('wimz_robot_05'), 'wimz-robot-05')
  assert.equal(hostLabel('Rex'), 'wimz-rex')
  assert.equal(hostLabel('a'.repeat(100)).length, 63)
  assert.equal(hostLabel('x..y!'), 'wimz-x-y')
  const records = recordsOf({ ...ROBOT, instance: 'a.b' }, ['10.0.0.5'])
  assert.ok(records.every((one) => !one.name.startsWith('a.b.')))
  const about = (type: 'A' | 'PTR', name: string) => answersTo([{ type, name }], records)
  assert.deepEqual(about('A', 'other.local'), { answers: [], additionals: [] })
  assert.equal(about('PTR', '_services._dns-sd._udp.local').answers.length, 2)
  assert.deepEqual(about('PTR', '_services._dns-sd._udp.local').additionals, [])
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DtlsServer, type RTCCertificate, RTCDtlsTransport } from 'werift'
import { guardSocket } from '#services/webrtc/werift-patches/dtls-guard.ts'
import { HandshakeMessages } from '#services/webrtc/werift-patches/handshake-messages.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

const skip = without('openssl')

/** What becomes of the records of a client: those that are sent in place of record `i`. */
type Path = (record: Buffer, i: number) => Buffer[]

const lose =
  (lost: number): Path =>
  (record, i) =>
    i === lost ? [] : [record]
const repeat =
  (repeated: number): Path =>
  (record, i) =>
    i === repeated ? [record, record] : [record]
/** Record `i` arrives behind the next one. */
function swap(swapped: number): Path {
  const held: Buffer[] = []
  return (record, i) => {
    if (i !== swapped) return [record, ...held.splice(0)]
    held.push(record)
    return []
  }
}
/** The last flight again while the first copy is under way, as from a client whose timer is short. */
function repeatFlight(): Path {
  const flight: Buffer[] = []
  return (record, i) => {
    if (i >= 2) flight.push(record)
    return i === 4 ? [record, ...flight] : [record]
  }
}

const PATHS: Record<string, () => Path> = {
  'nothing lost': () => (record) => [record],
  'every record twice': () => (record) => [record, record],
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((i) => [`record ${i} lost`, () => lose(i)])),
  ...Object.fromEntries([2, 3, 4, 5, 6].map((i) => [`record ${i} twice`, () => repeat(i)])),
  ...Object.fromEntries([2, 3, 4, 5].map((i) => [`record ${i} behind the next`, () => swap(i)])),
  'the last flight again before its end': repeatFlight,
}
const ANSWERS: Record<string, () => Path> = {
  ...Object.fromEntries([0, 1, 2, 5, 6, 7].map((i) => [`answered record ${i} lost`, () => lose(i)])),
  'every answered record twice': () => (record) => [record, record],
}
const ALL: [name: string, path: () => Path, answers: () => Path][] = [
  ...Object.entries(PATHS).map(([name, path]) => [name, path, () => lose(-1)] as const),
  ...Object.entries(ANSWERS).map(([name, answers]) => [name, () => lose(-1), answers] as const),
].map((one) => [...one])
/** An MTU below the size of a certificate puts it into fragments. */
const MTUS = [1_200, 300]
const AT_ONCE = 6

test('a DTLS client connects whatever record of its flights is lost, repeated or overtaken', {
  skip,
}, async (t) => {
  const files = await mkdtemp(join(tmpdir(), 'dtls-'))
  closeAfter(t, () => rm(files, { recursive: true }))
  const certificate = await RTCDtlsTransport.SetupCertificate()
  await writeFile(join(files, 'cert.pem'), certificate.certPem)
  await writeFile(join(files, 'key.pem'), certificate.privateKey)
  const cases = ALL.flatMap(([name, path, answers]) =>
    MTUS.map((mtu) => ({ name, mtu, path: path(), answers: answers() })),
  )
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let one = cases.shift(); one; one = cases.shift()) {
        const { name, mtu, path, answers } = one
        const connected = connect(t, { certificate, files, mtu, path, answers })
        const ended = await Promise.race([connected, delay(60_000, 'late', { ref: false })])
        assert.notEqual(ended, 'late', `${name}, MTU ${mtu}`)
      }
    }),
  )
})

interface Handshake {
  certificate: RTCCertificate
  /** Folder of the client's certificate and key. */
  files: string
  mtu: number
  path: Path
  answers: Path
}

/** Resolves when both OpenSSL's client and werift's server have ended the handshake. */
async function connect(t: TestContext, { certificate, files, mtu, path, answers }: Handshake): Promise<void> {
  const port = await openSocket(t)
  let sent = 0
  let client: { address: string; port: number } | undefined
  const socket = {
    type: 'test',
    address: ['', 0],
    send(data: Buffer) {
      for (const record of recordsOf(data))
        for (const one of answers(record, sent++)) if (client) port.send(one, client.port, client.address)
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
    socket: { onData(_: Buffer) {} },
  }
  const server = new DtlsServer({
    cert: certificate.certPem,
    key: certificate.privateKey,
    signatureHash: certificate.signatureHash,
    transport: socket as never,
    srtpProfiles: [1],
    extendedMasterSecret: true,
    certificateRequest: true,
  })
  const ready = new Promise<void>((resolve) => server.onConnect.once(() => resolve()))
  guardSocket(server as never, () => server.connected)
  // werift gives the address of the sender as well
  const deliver = server.transport.socket.onData as (data: Buffer) => void
  let i = 0
  port.on('message', (datagram, from) => {
    client = from
    for (const record of recordsOf(datagram)) for (const one of path(record, i++)) deliver(one)
  })
  const program = spawn('openssl', [
    ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port.address().port}`, '-mtu', String(mtu)],
    ...[
      '-use_srtp',
      'SRTP_AES128_CM_SHA1_80',
      '-cert',
      join(files, 'cert.pem'),
      '-key',
      join(files, 'key.pem'),
    ],
  ])
  closeAfter(t, async () => {
    program.kill('SIGKILL')
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit')
  })
  const greeted = new Promise<void>((resolve) => {
    let output = ''
    program.stdout.on('data', (text) => {
      output += text
      if (output.includes('SSL handshake has read')) resolve()
    })
  })
  await Promise.all([greeted, ready])
  program.kill('SIGKILL')
}

async function openSocket(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closeAfter(t, async () => void socket.close())
  return socket
}

function recordsOf(datagram: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at + 13 <= datagram.length; at += records.at(-1)?.length ?? 13)
    records.push(datagram.subarray(at, at + 13 + datagram.readUInt16BE(at + 11)))
  return records
}

/** A record with one fragment of a handshake message. */
function fragment(seq: number, offset: number, length: number, of: number, type = 11): Buffer {
  const record = Buffer.alloc(25 + length, seq)
  record.fill(0, 0, 25)
  record.set([22, 254, 253])
  record.writeUInt16BE(12 + length, 11)
  record.writeUInt8(type, 13)
  record.writeUIntBE(of, 14, 3)
  record.writeUInt16BE(seq, 17)
  record.writeUIntBE(offset, 19, 3)
  record.writeUIntBE(length, 22, 3)
  return record
}

test('messages come once, whole and in their order, whatever the fragments', () => {
  const messages = new HandshakeMessages()
  const bodies = (record: Buffer) =>
    messages.accept(record).map((one) => [one.readUInt16BE(17), one.length - 25])
  assert.deepEqual(bodies(fragment(1, 0, 50, 50)), [])
  assert.deepEqual(bodies(fragment(0, 60, 40, 100)), [])
  assert.deepEqual(bodies(fragment(0, 60, 40, 100)), [])
  assert.deepEqual(bodies(fragment(0, 0, 70, 100)), [
    [0, 100],
    [1, 50],
  ])
  assert.deepEqual(bodies(fragment(1, 0, 50, 50)), [], 'repeated')
  assert.deepEqual(bodies(Buffer.concat([fragment(2, 0, 0, 0)])), [[2, 0]], 'an empty message')
  assert.deepEqual(bodies(fragment(3, 0, 20, 10)), [], 'longer than its message')
  assert.deepEqual(bodies(fragment(3, 0, 10, 10).subarray(0, 30)), [], 'cut off')
})

test('what waits for an earlier message is limited', () => {
  const messages = new HandshakeMessages()
  for (let seq = 1; seq < 60_000; seq++) assert.deepEqual(messages.accept(fragment(seq, 0, 10, 10)), [])
  assert.equal(messages.accept(fragment(0, 0, 10, 10, 1)).length, 8, 'messages')
  for (let i = 0; i < 1_000; i++) assert.deepEqual(messages.acceptProtected(Buffer.alloc(100)), [])
  for (let i = 0; i < 1_000; i++) assert.deepEqual(messages.accept(fragment(8, i, 1, 1_000, 16)), [])
  assert.deepEqual(messages.accept(fragment(8, 0, 1_000, 1_000, 16)), [], 'fragments')
  assert.deepEqual(messages.accept(fragment(9, 0, 20_000, 20_000)), [], 'bytes')
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { type Connection, classes, Message, methods, StunProtocol } from 'werift'
import { guardStun } from '#services/webrtc/werift-patches/stun-guard.ts'

const PASSWORD = 'the password of the robot'
const VIEWER = ['192.0.2.1', 5000] as const
const OTHER = ['192.0.2.1', 5001] as const
const DTLS = Buffer.from('16fefd0000000000000000000100', 'hex')

/** What a guarded protocol passes to werift, and how to send to it. */
function open() {
  const passed: Buffer[] = []
  const transactions: Record<string, object> = {}
  const protocol = Object.assign(Object.create(StunProtocol.prototype), {
    transactions,
    datagramReceived: (data: Buffer) => passed.push(data),
  })
  const connection = {
    localUsername: 'new',
    localPassword: PASSWORD,
    userHistory: { old: 'an older password' },
    ensureProtocol: () => undefined,
  }
  guardStun(connection as unknown as Connection)
  ;(connection.ensureProtocol as (protocol: object) => void)(protocol)
  const accepts = (data: Buffer, from: readonly [string, number] = VIEWER) => {
    const before = passed.length
    protocol.datagramReceived(data, from)
    return passed.length > before
  }
  return { accepts, transactions }
}

function check(username: string | undefined, password: string | undefined, method = methods.BINDING): Buffer {
  const message = new Message(method, classes.REQUEST)
  if (username !== undefined) message.setAttribute('USERNAME', username)
  message.setAttribute('PRIORITY', 1).setAttribute('ICE-CONTROLLING', 1n)
  if (password !== undefined) message.addMessageIntegrity(Buffer.from(password))
  return message.addFingerprint().bytes
}

test('a check with the password of its user fragment opens its address for other datagrams, and no other', () => {
  const { accepts } = open()
  assert.equal(accepts(DTLS), false)
  assert.equal(accepts(check('new:viewer', PASSWORD)), true)
  assert.equal(accepts(DTLS), true)
  assert.equal(accepts(DTLS, OTHER), false)
  assert.equal(accepts(check('old:viewer', 'an older password'), OTHER), true)
  assert.equal(accepts(DTLS, OTHER), true)
})

test('a check without valid integrity is dropped and opens nothing', () => {
  const { accepts } = open()
  const tampered = check('new:viewer', PASSWORD)
  tampered.writeUInt8(tampered.readUInt8(30) ^ 1, 30)
  const tooMany = new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', 'new:viewer')
  for (let i = 0; i < 16; i++) tooMany.appendRawAttribute(0xc001 + i, Buffer.alloc(4))
  for (const [what, datagram] of Object.entries({
    'no integrity': check('new:viewer', undefined),
    'another password': check('new:viewer', 'guessed'),
    'the password of another generation': check('old:viewer', PASSWORD),
    'no user': check(undefined, PASSWORD),
    'an unknown user': check('other:viewer', PASSWORD),
    'a name of Object': check('__proto__:viewer', PASSWORD),
    'another method': check('new:viewer', PASSWORD, methods.ALLOCATE),
    'a changed byte': tampered,
    'too many attributes': tooMany.addMessageIntegrity(Buffer.from(PASSWORD)).bytes,
  })) {
    assert.equal(accepts(datagram), false, what)
    assert.equal(accepts(DTLS), false, what)
  }
})

test('an answer to a check of ours opens its address; the answer of a STUN server and a forged one do not', () => {
  const { accepts, transactions } = open()
  const answer = (key?: Buffer) => {
    const message = new Message(methods.BINDING, classes.RESPONSE)
    return key ? message.addMessageIntegrity(key) : message
  }
  const key = Buffer.from('the password of the viewer')
  const forged = answer(Buffer.from('guessed'))
  const fromServer = answer()
  const right = answer(key)
  for (const { transactionIdHex } of [forged, right]) transactions[transactionIdHex] = { integrityKey: key }
  transactions[fromServer.transactionIdHex] = {}
  for (const { bytes } of [forged, fromServer, answer(key)]) {
    accepts(bytes)
    assert.equal(accepts(DTLS), false)
  }
  assert.equal(accepts(fromServer.bytes), true)
  accepts(right.bytes)
  assert.equal(accepts(DTLS), true)
})

test('the addresses of a viewer that are kept are limited', () => {
  const { accepts } = open()
  const from = (port: number) => ['192.0.2.1', port] as const
  for (let port = 1; port <= 200; port++) accepts(check('new:viewer', PASSWORD), from(port))
  const ports = Array.from({ length: 200 }, (_, i) => i + 1)
  assert.equal(ports.filter((port) => accepts(DTLS, from(port))).length, 128)
})

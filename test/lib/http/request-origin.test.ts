import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OriginRule, rejectedOrigin } from '#lib/http/request-origin.ts'

const check = (headers: Record<string, string>, rule?: OriginRule) => rejectedOrigin({ headers }, rule)
const upgrade = 'websocket'

test('a page of this server passes under local names and addresses', () => {
  for (const host of [
    ...['localhost:8080', 'robot:8080', 'robot.local', 'robot.lan:80', 'robot.home.arpa', 'a.internal'],
    ...['127.0.0.1:8080', '192.168.1.7', '[::1]:8080', '[fe80::1]'],
  ]) {
    assert.equal(check({ host }), undefined, host)
    assert.equal(check({ host, origin: `http://${host}`, upgrade }), undefined, host)
    assert.equal(check({ host, origin: `https://${host}`, upgrade }), undefined, host)
  }
})

test('a page of another site is rejected, by WebSocket and by HTTP', () => {
  for (const origin of [
    ...['https://evil.example', 'http://localhost:1', 'http://127.0.0.1', 'null', 'file://', 'x'],
    ...['http://localhost:8080.evil.example', 'http://localhost:8080@evil.example', ''],
  ]) {
    assert.equal(check({ host: 'localhost:8080', origin, upgrade }), 'foreign origin', origin)
    assert.equal(check({ host: 'localhost:8080', origin }), 'foreign origin', origin)
  }
})

test('a page under a public name that resolves to this machine is rejected', () => {
  for (const host of [
    ...[
      'evil.example',
      'evil.example:8080',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      'x.fritz.box',
    ],
    ...['robot.local.', 'user@evil.example', 'evil.example/localhost'],
  ]) {
    assert.equal(check({ host }), 'foreign host', host)
    assert.ok(check({ host, origin: `http://${host}`, upgrade }), host)
  }
})

test('a client that is not a browser may use any name for a WebSocket', () => {
  assert.equal(check({ host: 'robot.example.com', upgrade }), undefined)
  assert.equal(check({ upgrade }), undefined)
  assert.equal(check({}), undefined)
})

test('configured hosts, origins and other ports of the same host pass', () => {
  const host = 'robot.example.com:8080'
  assert.equal(check({ host }, { hosts: ['Robot.example.com'] }), undefined)
  assert.equal(
    check({ host, origin: `http://${host}`, upgrade }, { hosts: ['robot.example.com'] }),
    undefined,
  )
  const rule = { origins: ['https://dashboard.example'], anyPort: true }
  assert.equal(check({ host, origin: 'https://dashboard.example', upgrade }, rule), undefined)
  assert.equal(check({ host, origin: 'http://dashboard.example', upgrade }, rule), 'foreign origin')
  assert.equal(check({ host: 'robot:9001', origin: 'http://robot:3000', upgrade }, rule), undefined)
  assert.equal(check({ host: 'robot:9001', origin: 'http://other:9001', upgrade }, rule), 'foreign origin')
})

test('odd forms of Host and Origin do not pass, on a server that accepts any port of its host either', () => {
  const host = 'localhost:8080'
  const origins = [
    ...[
      'capacitor://localhost',
      'app://localhost:8080',
      'chrome-extension://localhost:8080',
      'ws://localhost:8080',
    ],
    ...['http://localhost:8080, https://evil.example', 'http://evil.example, http://localhost:8080'],
    ...[
      'http://localhost:8080.',
      'http://localhost%2eevil.example:8080',
      'http://localhost\u3002evil.example:8080',
    ],
    ...[
      'http://localhost:8080\\@evil.example',
      'http://localhost:8080%40evil.example',
      'http://[::1].evil.example',
    ],
    ...['http://127.0.0.1.nip.io:8080', 'http://0x7f000001.evil.example', 'http://localhost:99999', '*'],
    ...['//localhost:8080', 'localhost:8080', 'data:text/html,x', 'blob:http://evil.example/x', ' '],
  ]
  for (const origin of origins) {
    for (const rule of [{}, { anyPort: true }, { origins: ['https://dashboard.example'], anyPort: true }]) {
      assert.ok(check({ host, origin, upgrade }, rule), origin)
      assert.ok(check({ host, origin }, rule), origin)
    }
  }
  const hosts = [
    ...[
      '',
      ' ',
      'evil%2eexample',
      'evil\u3002example',
      '127.0.0.1.nip.io',
      '0x7f000001.evil.example',
      'x.localhost.evil',
    ],
    ...[
      'evil.example:80:80',
      '[::1].evil.example',
      'evil.example#localhost',
      'evil.example?localhost',
      'localhost@evil.example',
    ],
    ...['robot.local.evil.example', 'robotlocal.example', 'lan.evil.example', 'evil.example.', 'localhost..'],
  ]
  for (const name of hosts) {
    assert.equal(check({ host: name }), 'foreign host', name)
    assert.ok(check({ host: name, origin: `http://${name}`, upgrade }, { anyPort: true }), name)
  }
})

test('over TLS a page that came over HTTP is a foreign one, unless its origin is configured', () => {
  const host = 'robot.local:8080'
  const over = (encrypted: boolean, origin: string, rule?: OriginRule) =>
    rejectedOrigin({ headers: { host, origin, upgrade }, socket: { encrypted } as never }, rule)
  assert.equal(over(true, `http://${host}`), 'foreign origin')
  assert.equal(over(true, `http://${host}`, { hosts: ['robot.local'] }), 'foreign origin')
  assert.equal(over(true, `https://${host}`), undefined)
  assert.equal(over(true, `http://${host}`, { origins: [`http://${host}`] }), undefined)
  assert.equal(over(false, `http://${host}`), undefined)
  assert.equal(over(false, `https://${host}`), undefined, 'a proxy has the certificate')
})

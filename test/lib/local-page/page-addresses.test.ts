import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { pageAddresses } from '#lib/local-page/page-addresses.ts'
import { qrCode } from '#lib/local-page/qr-code.ts'

/** An escape sequence that sets colors. */
const ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g')

const addresses = (section: object) =>
  pageAddresses(LocalRelaySection.parse({ token: 'let-me-in', ...section }), 'wimz_robot_05')

test('the addresses of the page: by host, name and scheme, never with the token', () => {
  assert.deepEqual(addresses({}), { here: 'http://127.0.0.1:8080/', network: [] })
  assert.deepEqual(addresses({ host: '::1', https: true }), { here: 'http://[::1]:8080/', network: [] })
  assert.deepEqual(addresses({ host: '192.168.1.7', port: 81, discovery: false }), {
    here: 'http://192.168.1.7:81/',
    network: ['http://192.168.1.7:81/'],
  })
  const { here, network } = addresses({ host: '0.0.0.0', https: true })
  assert.equal(here, 'http://localhost:8080/')
  assert.equal(network.at(-1), 'https://wimz-robot-05.local:8080/')
  const own = Object.values(networkInterfaces()).flatMap((one) => one?.map(({ address }) => address) ?? [])
  for (const url of network.slice(0, -1)) assert.ok(own.includes(URL.parse(url)?.hostname ?? ''), url)
  assert.ok(!JSON.stringify(network).includes('let-me-in'))
})

test('the QR code for a terminal is square, black on white, with its three finder patterns', () => {
  const lines = qrCode('https://192.168.1.7:8080/').split('\n')
  const rows = lines.map((line) => line.replaceAll(ESCAPE, ''))
  for (const line of lines) assert.ok(line.startsWith(`${String.fromCharCode(27)}[30;107m`))
  for (const row of rows) assert.match(row, /^[ ▀▄█]+$/)
  const [width] = rows.map(({ length }) => length)
  assert.ok(rows.every(({ length }) => length === width) && Math.ceil((width ?? 0) / 2) === rows.length)
  // 7 dark modules, the ring, and the 3 x 3 in it, two rows in each line (ISO/IEC 18004 §6.3.3)
  const finder = ['█▀▀▀▀▀█', '█ ███ █', '█ ▀▀▀ █', '▀▀▀▀▀▀▀']
  const corner = (from: number, left: number) =>
    rows.slice(from, from + 4).map((row) => row.slice(left, left + 7))
  assert.deepEqual(corner(1, 2), finder)
  assert.deepEqual(corner(1, (width ?? 0) - 9), finder)
})

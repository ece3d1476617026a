/** A request of a browser page or of a program, by the headers that say where it comes from. */
export interface Form {
  name: string
  /** Lines of the head; the port of the server stands in place of `PORT`. */
  head: readonly string[]
  /** Whether a GET and a WebSocket handshake may pass, as far as the site is concerned. */
  get: boolean
  upgrade: boolean
  /** Where other ports of the same host may connect, if that differs. */
  upgradeOfAnyPort?: boolean
}

const OWN = 'Host: localhost:PORT'

function hosts(pass: { get: boolean; upgrade: boolean }, names: readonly string[]): Form[] {
  return names.map((name) => ({ name: `Host ${name || '(empty)'}`, head: [`Host: ${name}`], ...pass }))
}

function origins(pass: boolean, values: readonly string[]): Form[] {
  return values.map((value) => ({
    name: `Origin ${value || '(empty)'}`,
    head: [OWN, `Origin: ${value}`],
    get: pass,
    upgrade: pass,
  }))
}

/**
 * A program sends no Origin, and may use any name for a WebSocket. A GET of a browser may lack it, too, so that its Host decides:
 * it must be a name that no public DNS server resolves.
 */
export const FORMS: readonly Form[] = [
  ...hosts({ get: true, upgrade: true }, [
    ...['localhost:PORT', 'LOCALHOST:PORT', 'localhost', 'localhost:1', 'robot:PORT', 'ROBOT.Local:PORT'],
    ...['127.0.0.1:PORT', '[::1]:PORT', '[::ffff:127.0.0.1]:PORT', '192.168.1.7', '203.0.113.5:PORT'],
  ]),
  ...hosts({ get: false, upgrade: true }, [
    ...['rebind.attacker.example', 'rebind.attacker.example:PORT', 'REBIND.ATTACKER.EXAMPLE:PORT', ''],
    ...['127.0.0.1.attacker.example:PORT', 'localhost.attacker.example:PORT', 'localhost.:PORT'],
    ...['robot.local.:PORT', 'attacker.example.', 'localhost:PORT@attacker.example', 'user@localhost:PORT'],
    ...['localhost/attacker.example', 'localhost?attacker.example', 'localhost#x', 'localhost\\x'],
    ...['localhost:PORT, attacker.example', 'localhost%2eattacker.example', 'localhost:99999'],
  ]),
  ...origins(true, ['http://localhost:PORT', 'https://localhost:PORT', 'http://LOCALHOST:PORT']),
  ...origins(false, [
    ...['https://attacker.example', 'http://attacker.example:PORT', 'null', 'file://', '', '*', 'x'],
    ...['http://localhost.:PORT', 'http://localhost:PORT.attacker.example', 'http://127.0.0.1:PORT'],
    ...['http://localhost:PORT@attacker.example', 'http://user@localhost:PORT', 'http://[::1]:PORT'],
    ...['http://attacker.example#http://localhost:PORT', 'http://localhost:PORT, http://attacker.example'],
    ...['capacitor://localhost:PORT', 'ws://localhost:PORT', 'localhost:PORT', '//localhost:PORT'],
    ...['chrome-extension://localhost', 'data:text/html,x', 'http://localhost:PORT/x'],
  ]),
  ...['http://localhost:1', 'http://localhost'].map((value) => ({
    name: `Origin ${value}`,
    head: [OWN, `Origin: ${value}`],
    get: false,
    upgrade: false,
    upgradeOfAnyPort: true,
  })),
  ...['attacker.example:PORT', 'localhost.attacker.example:PORT'].map((name) => ({
    name: `page of ${name}, rebound`,
    head: [`Host: ${name}`, `Origin: http://${name}`],
    get: false,
    upgrade: false,
  })),
  {
    name: 'two Origins',
    head: [OWN, 'Origin: http://localhost:PORT', 'Origin: https://attacker.example'],
    get: false,
    upgrade: false,
  },
  ...['script', 'image', 'iframe', 'empty'].map((kind) => ({
    name: `${kind} of a page of another site`,
    head: [OWN, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', `Sec-Fetch-Dest: ${kind}`],
    get: false,
    upgrade: false,
  })),
  {
    name: 'link from another site',
    head: [OWN, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
    get: true,
    upgrade: false,
  },
  {
    name: 'part of a page of this server',
    head: [OWN, 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: script'],
    get: true,
    upgrade: true,
  },
]

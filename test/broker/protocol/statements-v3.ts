import { readFileSync } from 'node:fs'
import type { Conformance } from './conformance.ts'

/** The normative statements of MQTT 3.1.1, appendix B: how many each section has. */
const STATEMENTS: Readonly<Record<string, number>> = {
  '1.5.3': 3,
  '2.2.2': 2,
  '2.3.1': 7,
  '3.1.0': 2,
  '3.1.2': 24,
  '3.1.3': 11,
  '3.1.4': 5,
  '3.2.0': 1,
  '3.2.2': 6,
  '3.3.1': 12,
  '3.3.2': 3,
  '3.3.4': 1,
  '3.3.5': 2,
  '3.6.1': 1,
  '3.8.1': 1,
  '3.8.3': 4,
  '3.8.4': 6,
  '3.9.3': 2,
  '3.10.1': 1,
  '3.10.3': 2,
  '3.10.4': 6,
  '3.12.4': 1,
  '3.14.1': 1,
  '3.14.4': 3,
  '4.1.0': 2,
  '4.3.1': 1,
  '4.3.2': 2,
  '4.3.3': 2,
  '4.4.0': 1,
  '4.5.0': 2,
  '4.6.0': 6,
  '4.7.1': 3,
  '4.7.2': 1,
  '4.7.3': 4,
  '4.8.0': 2,
  '6.0.0': 4,
  '7.0.0': 2,
  '7.1.1': 1,
  '7.1.2': 1,
}

/** Statements without a test of this broker, and the reason. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  '2.3.1-2': 'a duty of the client',
  '3.1.2-23': 'a duty of the client',
  '3.1.3-1': 'the order of fields: each CONNECT of the tests has it, and none can be told apart otherwise',
  '3.1.3-3': 'the order of fields, as 3.1.3-1',
  '3.1.3-7': 'a duty of the client; the server’s part is 3.1.3-8',
  '3.2.2-6': 'each rejection of this broker has a return code',
  '3.3.2-1': 'the order of fields, as 3.1.3-1; invalid topics: 1.5.3-1',
  '3.8.3-2': 'for a server without wildcards',
  '3.14.4-1': 'a duty of the client; the broker closes the connection as well: 3.14.4-2',
  '4.1.0-2': 'a session that ended before its connection would fail every test',
  '4.5.0-2': 'a duty of the client',
  '4.6.0-1': 'a duty of the client; what the broker repeats: 4.4.0-1',
  '6.0.0-3': 'a duty of the client; MQTT.js, Mosquitto and browsers that send no subprotocol are accepted',
  '7.0.0-1': 'the broker opens no connections of its own',
  '7.0.0-2': 'that the broker needs no extension: every test uses plain MQTT 3.1.1',
  '7.1.1-1': 'TCP, TLS and WebSocket: test/broker/listeners',
  '7.1.2-1': 'about clients',
}

export const MQTT_3: Conformance = {
  version: '3.1.1',
  statements: Object.entries(STATEMENTS).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, i) => `${section}-${i + 1}`),
  ),
  outOfScope: OUT_OF_SCOPE,
  testedIn,
}

/** The statements in titles, `[MQTT-1.5.3-3] [4.7.3-4]` or `[…] to […]`, and in rows of tables. */
function testedIn(path: string): string[] {
  const source = readFileSync(path, 'utf8')
  const titles = source.matchAll(/^ *test\('(.*)'/gm)
  const rows = source.matchAll(/\brow\(\s*'((?:\d+\.){2}\d+-\d+)'/g)
  return [
    ...Array.from(titles, ([, title = '']) => inTitle(title)).flat(),
    ...Array.from(rows, ([, id = '']) => id),
  ]
}

function inTitle(title: string): string[] {
  const ranges = [...title.matchAll(/\[MQTT-([\d.]+)-(\d+)\] to \[\1-(\d+)\]/g)].flatMap(
    ([, section, first, last]) =>
      Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => `${section}-${Number(first) + i}`),
  )
  return [...ranges, ...Array.from(title.matchAll(/\[(?:MQTT-)?([\d.]+-\d+)\]/g), ([, id = '']) => id)]
}

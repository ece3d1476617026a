import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RelayConnectionState } from '#bus/messages.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { REASON } from '#services/webrtc/session/close-reasons.ts'
import { saidIn, sources, talliesIn } from './messages.ts'

const PAGE = readFileSync(join(PROJECT_ROOT, 'docs/operating.md'), 'utf8')
const CODE = sources()
const SAID = [...CODE].flatMap(([file, code]) => [...saidIn(file, code), ...talliesIn(file, code)])

/** Texts of calls that do not have them in their last argument, by the expression that stands there. */
const INDIRECT: Record<string, string[]> = {
  message: ['invalid message dropped', 'message handler failed'],

  hint: ['systemd gets no heartbeat and will restart this service: is systemd-notify installed?'],
  disabled: [
    'cloud.enabled is false: no relay',
    'no relay: … not set; set cloud.device_id and cloud.device_secret, or those variables',
  ],
  'ALARMS[retry.alarm]': [
    'the relay refuses this robot: check cloud.device_id and cloud.device_secret, and the path of cloud.relay_url',
    'the relay does not know this address: check cloud.relay_url',
    'another client uses this device_id: give each robot its own',
  ],
}

test('every warning and error that the code can log is in the table of docs/operating.md, and no other', () => {
  const texts = SAID.flatMap(({ text, expression = '' }) =>
    text === undefined ? INDIRECT[expression] : [text],
  )
  const unknown = SAID.filter(({ text, expression = '' }) => text === undefined && !INDIRECT[expression])
  assert.deepEqual(unknown, [], 'a message that is made elsewhere: name its texts in INDIRECT')
  assert.ok(texts.length > 60)
  const told = firstCells('### In the log')
  assert.deepEqual(new Set(texts).difference(told), new Set(), 'missing in the table')
  assert.deepEqual(told.difference(new Set(texts)), new Set(), 'in the table, but not in the code')
})

test('the texts that are made elsewhere are those of the code', () => {
  const all = [...CODE.values()].join('\n')
  for (const text of Object.values(INDIRECT).flat()) {
    for (const part of text.split('…')) assert.ok(all.includes(part), part)
  }
})

test('every state of the link and every end of a session is explained', () => {
  const states = firstCells('### In the states on the bus')
  for (const state of RelayConnectionState.shape.state.options) assert.ok(states.has(state), state)
  assert.deepEqual(firstCells('### In the sessions'), new Set(Object.values(REASON)))
})

test('every counter of the broker is explained', () => {
  const broker = [...sources(['broker']).values()].join('\n')
  const counted = [...broker.matchAll(/(?:count\(|return )'([a-z]+_[a-z_]+)'/g)].map(([, name = '']) => name)
  const told = firstCells('### In the states on the bus')
  assert.ok(counted.length >= 11)
  assert.deepEqual(
    counted.filter((name) => !told.has(name)),
    [],
  )
})

test('every reason of a source that fails is in the table of camera_error', () => {
  const thrown = [...sources(['services/vision/camera/sources']).values()].flatMap((code) =>
    [...code.matchAll(/new UnavailableError\(\s*(['`])(.*?)\1/g)].map(([, , text = '']) =>
      text.replaceAll(/\$\{[^}]*\}/g, '…'),
    ),
  )
  // what is nothing but other texts together is told where those are
  const own = thrown.filter((text) => /[a-z]/.test(text))
  assert.ok(own.length >= 6)
  const cells = [...firstCells('### In the states on the bus')]
  const patterns = cells.map((cell) => new RegExp(`^${cell.split('…').map(RegExp.escape).join('.+')}$`))
  assert.deepEqual(
    own.filter((text) => !patterns.some((pattern) => pattern.test(text))),
    [],
  )
})

test('every check of the doctor is explained', () => {
  const code = [...sources(['doctor']).values()].join('\n')
  const checks = [
    ...code.matchAll(/\b(?:ok|warning|failure|bounded)\((['`])(.+?)\1/g),
    ...code.matchAll(/\b(?:check|CHECK) = (['`])(.+?)\1/g),
  ].map(([, , name = '']) => name.replace(/\$\{.*\}.*/, '…'))
  const told = firstCells('## Check')
  assert.ok(new Set(checks).size >= 14)
  assert.deepEqual(
    checks.filter((name) => !told.has(name)),
    [],
  )
})

test('the metrics worth an alarm exist', () => {
  const code = [...CODE.values()].join('\n')
  const names = [...PAGE.slice(PAGE.indexOf('\n## Metrics')).matchAll(/\bwimz_[a-z_]+/g)].map(
    ([name]) => name,
  )
  assert.ok(names.length > 6)
  for (const name of names) assert.ok(code.includes(name.replace(/_bucket$/, '')), name)
})

/** What stands as code in the first cells of the tables below a heading. */
function firstCells(heading: string): Set<string> {
  const level = heading.split(' ')[0]?.length ?? 0
  const from = PAGE.indexOf(`\n${heading}\n`)
  assert.ok(from >= 0, heading)
  const rest = PAGE.slice(from + heading.length + 1)
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  const rows = rest.slice(0, end === -1 ? undefined : end).matchAll(/^\| (.*?) \|/gm)
  return new Set(
    [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)),
  )
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { ALL_SECTIONS } from '../../config-schema.ts'
import { explanations } from '../../docs/generators/config-comments.ts'
import { configurationPage, explainedKeys, isWithin } from '../../docs/generators/configuration-page.ts'
import { schemaKeys } from '../../docs/generators/schema-keys.ts'

const TEXT = readFileSync(new URL('../../configs/robot.yaml', import.meta.url), 'utf8')
const KEYS = schemaKeys(ALL_SECTIONS)
const TOLD = explainedKeys(KEYS)

test('configs/robot.yaml has and explains every key of the schemas', () => {
  const groups = TOLD.filter(({ hasKeys }) => !hasKeys)
  const missing = KEYS.filter(
    ({ path }) => !groups.some(({ paths }) => paths.some((one) => isWithin(path, one))),
  )
  assert.deepEqual(missing, [])
  const silent = TOLD.filter(({ paths: [path = ''], lines }) => lines.length === 0 && !hasTitle(path))
  assert.deepEqual(silent, [])
})

test('what a key holds is named beside it in configs/robot.yaml', () => {
  const unnamed = KEYS.filter(({ path }) => {
    const name = path.slice(path.lastIndexOf('.') + 1)
    return !new RegExp(`\\b${name}\\b`).test(sectionOf(path))
  })
  assert.deepEqual(unnamed, [])
})

test('configs/robot.yaml has no key that the schemas do not have, commented out or not', () => {
  const names = new Set(KEYS.flatMap(({ path }) => path.split(/\.|\[\]/)))
  const lines = TEXT.split('\n').flatMap((line) => /^ *(?:# )?([a-z_]+):(?: |$)/.exec(line)?.[1] ?? [])
  const inProse = ['false', 'true']
  assert.deepEqual(
    lines.filter((name) => !names.has(name) && !inProse.includes(name)),
    [],
  )
})

test('configs/robot.yaml shows the defaults, but for the identity', () => {
  const schema = z.strictObject(ALL_SECTIONS)
  const shown = schema.parse(parse(TEXT))
  const { device_id, device_secret } = shown.cloud
  assert.deepEqual([device_id, device_secret], ['${DEVICE_ID}', '${DEVICE_SECRET}'])
  const initial = schema.parse({})
  assert.deepEqual({ ...shown, cloud: { ...shown.cloud, device_id: '', device_secret: '' } }, initial)
})

test('the page has every key once, with its bounds and its default', () => {
  const page = configurationPage()
  for (const { path, variant } of KEYS) {
    const only = variant === undefined ? '' : ` (of \`${variant}\`)`
    assert.equal(page.split(`- **\`${path}\`**${only}: `).length, 2, path)
  }
  assert.match(page, /\*\*`webrtc\.video\.fps`\*\*: number 1 to 60; default `15`/)
  assert.match(page, /\*\*`vision\.flip`\*\*: `none`, `horizontal`, `vertical`; default `none`/)
  assert.match(page, /\*\*`broker\.listeners\[\]\.port`\*\*: whole number 0 to 65535/)
})

test('a comment block explains the keys below it, up to the next block', () => {
  const known = ['a', 'a.b', 'a.c', 'a.d', 'a.e']
  const text =
    '# Head.\n\n# A.\na:\n  # Two of them.\n  b: 1\n  c: 2\n  # note: prose\n  # d: 3\n  # e:\n  #   - f\n  e: []'
  assert.deepEqual(
    explanations(text, (path) => known.includes(path)),
    [
      { paths: ['a'], hasKeys: true, lines: ['A.'] },
      { paths: ['a.b', 'a.c'], hasKeys: false, lines: ['Two of them.'] },
      { paths: ['a.d'], hasKeys: false, lines: ['note: prose', '  d: 3'] },
      { paths: ['a.e'], hasKeys: false, lines: ['  - f'] },
    ],
  )
})

/** A section inside a section, such as `webrtc.video`, needs no words of its own. */
function hasTitle(path: string): boolean {
  return path.includes('.') && TOLD.some(({ paths: [first = ''], hasKeys }) => hasKeys && first === path)
}

function sectionOf(path: string): string {
  const [name = ''] = path.split('.')
  const from = TEXT.indexOf(`\n${name}:`)
  const to = TEXT.indexOf('\n\n', from)
  return `${TEXT.slice(from, to === -1 ? undefined : to)}`
}

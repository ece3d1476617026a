import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAscii } from '#services/vision/overlay/glyphs.ts'

test('accents are dropped, characters without ASCII letters become a question mark (E08)', () => {
  const cases = {
    Žofka: 'Zofka',
    Müßig: 'Mussig',
    'Æbleskive ø': 'AEbleskive o',
    'Rex 🐶': 'Rex ?',
    狗: '?',
    'O’Malley…': "O'Malley...",
  }
  for (const [name, shown] of Object.entries(cases)) assert.equal(toAscii(name), shown)
})

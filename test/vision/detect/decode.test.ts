import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, ROWS } from '#services/vision/detect/decode.ts'

const SIZE = { width: 300, height: 300 }
const DOG = 4 + 16

/** An output of one place for each of these columns. */
function outputOf(...columns: { box: number[]; scores: Record<number, number> }[]): Float32Array {
  const output = new Float32Array(ROWS * columns.length)
  for (const [place, { box, scores }] of columns.entries()) {
    for (const [row, value] of box.entries()) output[row * columns.length + place] = value
    for (const [row, value] of Object.entries(scores)) output[Number(row) * columns.length + place] = value
  }
  return output
}

test('a box comes out from its top left corner in fractions', () => {
  const [dog] = decode(outputOf({ box: [150, 90, 60, 120], scores: { [DOG]: 0.75 } }), SIZE, 0.5)
  assert.ok(dog)
  assert.strictEqual(dog.label, 'dog')
  assert.strictEqual(dog.score, 0.75)
  assert.deepStrictEqual(
    dog.box.map((value) => Math.round(value * 1000) / 1000),
    [0.4, 0.1, 0.2, 0.4],
  )
})

test('a box that reaches out of the picture is cut', () => {
  const [dog] = decode(outputOf({ box: [0, 300, 60, 60], scores: { [DOG]: 0.75 } }), SIZE, 0.5)
  assert.deepStrictEqual(
    dog?.box.map((value) => Math.round(value * 1000) / 1000),
    [0, 0.9, 0.1, 0.1],
  )
})

test('only the best class of a place counts, and only above the score', () => {
  const output = outputOf(
    { box: [50, 50, 20, 20], scores: { [DOG]: 0.6, [DOG - 1]: 0.7 } },
    { box: [90, 90, 20, 20], scores: { [DOG]: 0.4 } },
  )
  assert.deepStrictEqual(
    decode(output, SIZE, 0.5).map(({ label }) => label),
    ['cat'],
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toYuv } from '#services/vision/image/color.ts'
import { type Planes, planesOf } from '#services/vision/image/pixels.ts'
import { glyphsOf } from '#services/vision/overlay/glyphs.ts'
import { paintLines, paintOverlay, type Scene } from '#services/vision/overlay/overlay.ts'
import { colorAt, plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 640, height: 360 }
const GRAY = [80, 80, 80] as const
const { width: W, height: H } = glyphsOf(14)
const COLORS = {
  dog: [240, 228, 66],
  cat: [86, 200, 255],
  person: [255, 175, 60],
  b: [90, 230, 150],
  c: [255, 150, 190],
} as const
type Label = keyof typeof COLORS
type Box = Scene['objects'][number]['box']

const object = (label: string, box: Box) => ({ label, score: 0.9, box, track_id: null })
/** Even pixels, the grid of the chroma. */
const even = (position: number) => Math.round(position / 2) * 2

/** Edges of the area whose pixels satisfy `where`. */
function areaOf(planes: Planes, where: (luma: number, u: number, v: number) => boolean) {
  const { width, height } = planes
  const [columns, rows]: [number[], number[]] = [[], []]
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [luma = 0, u = 0, v = 0] = colorAt(planes, column, row)
      if (!where(luma, u, v)) continue
      columns.push(column)
      rows.push(row)
    }
  const edge = (list: number[]) => [Math.min(...list), Math.max(...list) + 1] as const
  return { x: edge(columns), y: edge(rows) }
}

function painted(scene: Partial<Scene>): Planes {
  const pixels = plainFrame(SIZE, GRAY)
  const planes = planesOf(pixels)
  paintOverlay(planes, { objects: [], time: 0, ...scene })
  return planes
}

/** Where the tag is: the area in the color of the label. */
function tagOf(planes: Planes, label: Label) {
  const color = toYuv(COLORS[label], planes.matrix)
  // letters change only the luma
  return areaOf(planes, (_, u, v) => u === color[1] && v === color[2])
}

/** Fails before hundreds of lines are compared. */
const widthOf = (text: string) => (text.length + 1) * W

test('a tag stands above its box, and inside the frame at each edge', () => {
  const width = widthOf('dog 90%')
  for (const [box, x, y] of [
    [[0.25, 0.5, 0, 0], 160, 180 - H],
    [[0.25, 0, 0, 0], 160, 0],
    [[-0.5, 0.5, 0, 0], 0, 180 - H],
    [[1, 0.5, 0, 0], SIZE.width - width, 180 - H],
    [[0.25, 2, 0, 0], 160, SIZE.height - H],
  ] as const) {
    const tag = tagOf(painted({ objects: [object('dog', [...box])] }), 'dog')
    assert.deepEqual(tag, { x: [even(x), even(x + width)], y: [even(y), even(y + H)] }, `${box}`)
  }
})

test('of boxes at one place the tags stand above, inside at the top, below, and inside at the bottom', () => {
  const box: Box = [0.25, 0.4, 0.3, 0.3]
  const labels = ['person', 'cat', 'dog', 'b', 'c'] as const
  const planes = painted({ objects: labels.map((label) => object(label, box)) })
  const [top, bottom] = [0.4 * SIZE.height, 0.7 * SIZE.height]
  for (const [label, y] of [
    ['cat', top],
    ['dog', bottom],
    ['b', bottom - H],
  ] as const)
    assert.deepEqual(tagOf(planes, label).y, [even(y), even(y + H)], label)
  // the last one has no free place, and covers the first
  assert.equal(tagOf(planes, 'c').y[0], even(top - H))
})

test('tags of boxes side by side are level; one that would touch another is moved', () => {
  const width = widthOf('dog 90%') / SIZE.width
  const yOf = (x: number, y = 0.5) => {
    const objects = [object('dog', [0.25, 0.5, 0, 0]), object('cat', [x, y, 0, 0])]
    return tagOf(painted({ objects }), 'cat').y[0]
  }
  const above = even(180 - H)
  assert.equal(yOf(0.25 + width), above)
  assert.equal(yOf(0.25 - width), above)
  assert.equal(yOf(0.25 + width - 0.01), 180)
  assert.equal(yOf(0.25 - width + 0.01), 180)
  // one line higher or lower they do not touch
  assert.equal(yOf(0.25, 0.5 - H / SIZE.height), even(180 - 2 * H))
  assert.equal(yOf(0.25, 0.5 + H / SIZE.height), 180)
})

test('no tag stands on the clock or the mode while it has another place', () => {
  const placeOfThird = (x: number, mode?: string) => {
    const box: Box = [x, 300 / SIZE.height, 0.05, 46 / SIZE.height]
    const objects = ['dog', 'cat', 'c'].map((label) => object(label, box))
    return tagOf(painted({ objects, mode }), 'c').y[0]
  }
  // above, inside and below are taken
  const covering = even(300 - H)
  assert.deepEqual([placeOfThird(0), placeOfThird(0.9, 'coach')], [covering, covering])
  assert.ok(placeOfThird(0.5) > 300)
  assert.ok(placeOfThird(0.9) > 300)
})

test('the clock is in the lower left corner, the mode in the right one', () => {
  const y = even(SIZE.height - 1.5 * H)
  const dark = areaOf(painted({}), (luma, u, v) => luma === 40 && u === 128 && v === 128)
  assert.deepEqual(dark.x, [even(W / 2), even(W / 2 + widthOf('2026-03-01 12:34:56'))])
  assert.equal(dark.y[0], y)
  const planes = painted({ mode: 'coach' })
  const mode = tagOf(planes, 'person')
  assert.deepEqual(mode.x, [even(SIZE.width - widthOf('COACH') - W / 2), even(SIZE.width - W / 2)])
  assert.equal(mode.y[0], y)
})

test('letters are full black on a tag, and full white on the clock', () => {
  const planes = painted({ objects: [object('dog', [0.25, 0.5, 0, 0])] })
  const lumas = new Set(planes.y)
  assert.deepEqual([lumas.has(16), lumas.has(235)], [true, true])
  assert.ok([...lumas].every((luma) => luma >= 16 && luma <= 235))
  const [left, right] = areaOf(planes, (luma) => luma === 16).x
  assert.ok(left >= 160 + W / 2 && right <= 160 + widthOf('dog 90%') - W / 2, `${left} to ${right}`)
})

test('each label keeps its color; labels beyond the fixed ones have one by their letters', () => {
  for (const label of ['dog', 'cat', 'person', 'b', 'c'] as const) {
    const planes = painted({ objects: [object(label, [0.25, 0.5, 0, 0])] })
    const tag = tagOf(planes, label)
    assert.equal(tag.x[0], 160, label)
  }
  // ('a' * 31 + 'b') % 5 = 0
  assert.equal(tagOf(painted({ objects: [object('ab', [0.25, 0.5, 0, 0])] }), 'dog').x[0], 160)
})

test('the line around a box is 2 pixels for each 360 lines, at least 2, and text has 1 of 26 lines', () => {
  for (const [height, line, size] of [
    [180, 2, 14],
    [360, 2, 14],
    [720, 4, 28],
    [1080, 6, 42],
  ] as const) {
    const pixels = plainFrame({ width: height * 2, height }, GRAY)
    const planes = planesOf(pixels)
    paintOverlay(planes, { objects: [object('dog', [0.25, 0.25, 0.5, 0.5])], time: 0 })
    const [luma] = toYuv(COLORS.dog, planes.matrix)
    const row = Math.round(height / 2) * planes.strideY
    const first = even(planes.width / 4)
    const stroke = [...planes.y.subarray(row + first, row + first + 12)].filter((value) => value === luma)
    assert.equal(stroke.length, line, `${height}`)
    const dark = areaOf(planes, (value, u, v) => value === 40 && u === 128 && v === 128)
    const { width } = glyphsOf(size)
    assert.deepEqual(dark.x, [even(width / 2), even(width / 2 + 20 * width)])
  }
})

test('lines of text are in the middle of the frame', () => {
  const pixels = plainFrame(SIZE, GRAY)
  const planes = planesOf(pixels)
  paintLines(planes, ['MMMM', 'MM', 'MMMMMMMM'])
  const { x, y } = areaOf(planes, (luma) => luma === 235)
  const near = (found: readonly number[], expected: readonly number[], slack: number) =>
    assert.ok(
      found.every((edge, i) => Math.abs(edge - (expected[i] ?? 0)) < slack),
      `${found} instead of ${expected}`,
    )
  near(x, [320 - 4 * W, 320 + 4 * W], W / 2)
  near(y, [180 - 1.5 * H, 180 + 1.5 * H], H / 2)
})

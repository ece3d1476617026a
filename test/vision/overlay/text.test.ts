import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { planesOf } from '#services/vision/image/pixels.ts'
import { glyphsOf } from '#services/vision/overlay/glyphs.ts'
import { paintLines, paintOverlay, type Scene } from '#services/vision/overlay/overlay.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 640, height: 360 }
const TIME = new Date(2026, 2, 1, 4, 5, 6).getTime()

/** The characters that are drawn into a frame of 640 by 360, in order. */
function textOf(t: TestContext, paint: (planes: ReturnType<typeof planesOf>) => void): string {
  let text = ''
  const glyphs = glyphsOf(14)
  const { mask } = glyphs
  t.mock.method(glyphs, 'mask', (character: string) => {
    text += character
    return mask(character)
  })
  using pixels = plainFrame(SIZE, [80, 80, 80])
  paint(planesOf(pixels))
  t.mock.restoreAll()
  return text
}

const overlay = (t: TestContext, scene: Partial<Scene>) =>
  textOf(t, (planes) => paintOverlay(planes, { objects: [], time: TIME, ...scene }))

const object = (score: number, track_id: number | null, label = 'dog') => ({
  ...{ label, score, track_id },
  box: [0.2, 0.3, 0.3, 0.3] as [number, number, number, number],
})

test('the clock shows the local date and time, with two digits each', (t) => {
  assert.equal(overlay(t, {}), '2026-03-01 04:05:06')
  assert.equal(overlay(t, { time: new Date(2027, 11, 31, 23, 59, 58).getTime() }), '2027-12-31 23:59:58')
})

test('a tag shows the name, the score in percent, and the track', (t) => {
  const tagOf = (scene: Partial<Scene>) => overlay(t, scene).slice('2026-03-01 04:05:06'.length)
  assert.equal(tagOf({ objects: [object(0.874, null)] }), 'dog 87%')
  assert.equal(tagOf({ objects: [object(0.876, 12)] }), 'dog 88% #12')
  assert.equal(tagOf({ objects: [object(1, 1)], nameOf: () => 'Žofka' }), 'Zofka 100% #1')
  assert.equal(tagOf({ objects: [object(0.5, null, 'x'.repeat(60))] }), `${'x'.repeat(40)} 50%`)
})

test('the mode is shown in capitals', (t) => {
  assert.equal(overlay(t, { mode: 'silent_guardian' }), '2026-03-01 04:05:06SILENT GUARDIAN')
})

test('lines of text are cut to the width of the frame', (t) => {
  const columns = Math.floor(SIZE.width / glyphsOf(14).width) - 2
  const lines = textOf(t, (planes) => paintLines(planes, ['no camera', 'y'.repeat(500)]))
  assert.equal(lines, `no camera${'y'.repeat(columns)}`)
})

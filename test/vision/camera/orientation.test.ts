import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Orientation } from '#services/vision/camera/orientation.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { fillRect } from '#services/vision/overlay/paint.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 32 }

/** Where the bright corner, upper left before, is afterwards. */
async function turned(rotate: 0 | 90 | 180 | 270, flip: 'none' | 'horizontal' | 'vertical' = 'none') {
  using orientation = new Orientation({ rotate, flip })
  // more than one picture, and of more than one size
  for (const size of [SIZE, { width: 32, height: 32 }]) {
    const other = plainFrame(size, [10, 10, 10])
    using _ = await orientation.apply(other, orientation.filtersFor(other))
  }
  const pixels = plainFrame(SIZE, [10, 10, 10])
  fillRect(planesOf(pixels), { x: 0, y: 0, width: 8, height: 8 }, [235, 128, 128])
  using frame = await orientation.apply(pixels, orientation.filtersFor(pixels))
  const { width, height, y, strideY, matrix } = planesOf(frame)
  assert.equal(matrix, 'bt601')
  const bright = (x: number, row: number) => (y[row * strideY + x] ?? 0) > 200
  const corners = {
    ul: bright(2, 2),
    ur: bright(width - 3, 2),
    ll: bright(2, height - 3),
    lr: bright(width - 3, height - 3),
  }
  return `${width}x${height} ${Object.entries(corners)
    .filter(([, lit]) => lit)
    .map(([name]) => name)}`
}

test('frames are turned clockwise, then flipped', async () => {
  assert.deepEqual(
    [await turned(0), await turned(90), await turned(180), await turned(270)],
    ['64x32 ul', '32x64 ur', '64x32 lr', '32x64 ll'],
  )
  assert.deepEqual(
    [await turned(0, 'horizontal'), await turned(0, 'vertical'), await turned(90, 'vertical')],
    ['64x32 ur', '64x32 ll', '32x64 lr'],
  )
})

import { setTimeout as sleep } from 'node:timers/promises'
import type { Frame } from 'node-av/lib'
import { createPacer } from '#lib/media/pacer.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import { type Rgb, toYuv } from '../../image/color.ts'
import type { Size } from '../../image/fit.ts'
import { allocate, check, type Planes, planesOf } from '../../image/pixels.ts'
import { fillRect } from '../../overlay/paint.ts'
import type { CaptureOptions } from './source.ts'

/** The barcode: bit `i`, least significant first, is a square of this side at (i * side, top). */
const BITS = 32
const BLOCK = 32
const TOP = 8
const WHITE = 235
const BLACK = 16

/** A test pattern in motion with the wall clock as a barcode, for end-to-end latency measurements. */
export async function captureSynthetic({ width, height, fps, signal, emit }: CaptureOptions): Promise<void> {
  using scene = new Scene({ width, height })
  const pacer = createPacer(performance.now())
  for (let index = 0; !signal.aborted; index++) {
    await sleep(pacer.until((index * 1000) / fps), undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await emit(scene.draw(index / fps, toEpoch(performance.now())))
  }
}

/**
 * Paints the low 31 bits of `time` (ms since the epoch) as 32 squares of 32×32 pixels from (0, 8). Frames narrower than
 * 1024 pixels have no room for the barcode.
 */
function paintTime(planes: Planes, time: number): void {
  if (planes.width < BITS * BLOCK || planes.height < TOP + BLOCK) return
  const bits = Math.floor(time) % 2 ** 31
  for (let i = 0; i < BITS; i++) {
    const luma = (bits >>> i) & 1 ? WHITE : BLACK
    fillRect(planes, { x: i * BLOCK, y: TOP, width: BLOCK, height: BLOCK }, [luma, 128, 128])
  }
}

/** A sliding textured backdrop and a bouncing square: cheap to draw, of usual cost to encode. */
class Scene implements Disposable {
  readonly #backdrop: Frame
  readonly #scratch: Frame
  /** Looked up once, as in {@link ScratchFrame}. */
  readonly #backdropPlanes: Planes
  readonly #planes: Planes

  constructor(size: Size) {
    const matrix = size.height >= 720 ? 'bt709' : 'bt601'
    this.#backdrop = allocate({ width: size.width * 2, height: size.height }, matrix)
    this.#backdropPlanes = planesOf(this.#backdrop)
    paintBackdrop(this.#backdropPlanes)
    this.#scratch = allocate(size, matrix)
    this.#planes = planesOf(this.#scratch)
  }

  /** The frame at this time of the animation, with the barcode of `time`; the caller frees it. */
  draw(seconds: number, time: number): Frame {
    const planes = this.#planes
    const { width, height } = planes
    copyWindow(planes, this.#backdropPlanes, slide(seconds * 60, width))
    const side = Math.floor(height / 10) * 2
    const x = slide(seconds * 210, width - side)
    const y = slide(seconds * 130, height - side)
    fillRect(planes, { x, y, width: side, height: side }, toYuv([230, 120, 40], planes.matrix))
    paintTime(planes, time)
    const pixels = allocate(planes, planes.matrix)
    check(pixels.copy(this.#scratch), 'copy')
    return pixels
  }

  [Symbol.dispose](): void {
    this.#backdrop.free()
    this.#scratch.free()
  }
}

/** An even position between 0 and `range`, back and forth. */
function slide(distance: number, range: number): number {
  const phase = distance % (2 * range)
  return Math.floor((phase < range ? phase : 2 * range - phase) / 2) * 2
}

const SKY: Rgb = [70, 130, 180]
const GRASS: Rgb = [60, 140, 70]

function paintBackdrop(planes: Planes): void {
  const { width, height, matrix, y: luma, strideY, u, v, strideUv } = planes
  fillRect(planes, { x: 0, y: 0, width, height: height / 2 }, toYuv(SKY, matrix))
  fillRect(planes, { x: 0, y: Math.floor(height / 4) * 2, width, height }, toYuv(GRASS, matrix))
  for (let row = 0; row < height; row++) {
    for (let x = 0; x < width; x++) {
      // waves of several lengths and some grain
      const wave = 18 * Math.sin(x / 37 + row / 23) + 10 * Math.sin(x / 9 - row / 31)
      const grain = (((x * 7919 + row * 104_729) >> 4) & 7) - 4
      const at = row * strideY + x
      luma[at] = Math.max(16, Math.min(235, (luma[at] ?? 0) + wave + grain))
    }
  }
  for (let row = 0; row < height / 2; row++) {
    for (let x = 0; x < width / 2; x++) {
      const at = row * strideUv + x
      u[at] = (u[at] ?? 0) + 12 * Math.sin(x / 61)
      v[at] = (v[at] ?? 0) + 12 * Math.sin(row / 47)
    }
  }
}

function copyWindow(target: Planes, source: Planes, left: number): void {
  for (let row = 0; row < target.height; row++) {
    const from = row * source.strideY + left
    target.y.set(source.y.subarray(from, from + target.width), row * target.strideY)
  }
  for (let row = 0; row < target.height / 2; row++) {
    const from = row * source.strideUv + left / 2
    target.u.set(source.u.subarray(from, from + target.width / 2), row * target.strideUv)
    target.v.set(source.v.subarray(from, from + target.width / 2), row * target.strideUv)
  }
}

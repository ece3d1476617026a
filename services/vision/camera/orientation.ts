import type { FilterAPI } from 'node-av/api'
import { AV_FRAME_DATA_DISPLAYMATRIX } from 'node-av/constants'
import { Frame, Rational } from 'node-av/lib'
import type { VisionSection } from '../config.ts'

type Turn = Pick<VisionSection, 'rotate' | 'flip'>

/** FFmpeg's filters for clockwise turns, then flips. `vflip` yields negative strides, which downstream code does not support, so copy. */
const UPSIDE_DOWN = ['vflip', 'copy']
const TURNS: Readonly<Record<number, readonly string[]>> = {
  0: [],
  90: ['transpose=clock'],
  180: ['hflip', ...UPSIDE_DOWN],
  270: ['transpose=cclock'],
}
const FLIPS = { none: [], horizontal: ['hflip'], vertical: UPSIDE_DOWN }

/** Turns frames upright: by their display matrix (recordings of phones, EXIF of JPEG), then as the camera is mounted. */
export class Orientation implements Disposable {
  readonly #mounted: readonly string[]
  #open: { filter: FilterAPI; kind: string } | undefined
  #count = 0
  #disposed = false

  constructor({ rotate, flip }: Turn) {
    this.#mounted = [...(TURNS[rotate] ?? []), ...FLIPS[flip]]
  }

  /** The filters that turn a frame of this source upright; empty for none. Read before the frame is converted. */
  filtersFor(source: Frame): string {
    return [...displayFilters(source), ...this.#mounted].join(',')
  }

  /** Takes ownership of the frame; returns it, or a turned one in its place. */
  async apply(source: Frame, filters: string): Promise<Frame> {
    if (filters === '') return source
    const { colorSpace, colorRange } = source
    let filter: FilterAPI
    try {
      filter = await this.#filterFor(source, filters)
      source.timeBase = new Rational(1, 1000)
      source.pts = BigInt(this.#count++)
      await filter.process(source)
    } finally {
      source.free()
    }
    const turned = await filter.receive()
    if (!(turned instanceof Frame)) throw new Error('the frame cannot be turned')
    turned.colorSpace = colorSpace
    turned.colorRange = colorRange
    return turned
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    this.#open?.filter.close()
    this.#open = undefined
  }

  /** A filter graph is for one size and pixel format. */
  async #filterFor({ width, height, format }: Frame, filters: string): Promise<FilterAPI> {
    const kind = `${width}x${height} ${format} ${filters}`
    if (this.#open?.kind !== kind) {
      // 7 MiB that a camera which is mounted upright does not need
      const { FilterAPI } = await import('node-av/api')
      if (this.#disposed) throw new Error('the capture has ended')
      this.#open?.filter.close()
      this.#open = { filter: FilterAPI.create(filters), kind }
    }
    return this.#open.filter
  }
}

/**
 * The filters of a frame's display matrix: rows [a, b, u], [c, d, v], [x, y, w] of 32-bit fixed-point numbers, applied to
 * row vectors with y downwards. libavutil/display.h.
 */
function displayFilters(frame: Frame): readonly string[] {
  const matrix = frame.getSideData(AV_FRAME_DATA_DISPLAYMATRIX)
  if (!matrix || matrix.length < 36) return []
  const at = (index: number) => matrix.readInt32LE(index * 4)
  const [a, b, c, d] = [at(0), at(1), at(3), at(4)]
  const isMirrored = a * d - b * c < 0
  // without the mirror at the vertical axis, which comes first
  const [cos, sin] = isMirrored ? [-a, -b] : [a, b]
  const turn = (Math.round(Math.atan2(sin, cos) / (Math.PI / 2)) * 90 + 360) % 360
  return [...(isMirrored ? ['hflip'] : []), ...(TURNS[turn] ?? [])]
}

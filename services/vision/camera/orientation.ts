import { FilterAPI, Frame, Rational } from 'node-av'
import type { VisionSection } from '../config.ts'

type Turn = Pick<VisionSection, 'rotate' | 'flip'>

/** FFmpeg's filters for clockwise turns, then flips. `vflip` yields negative strides, which downstream code does not support, so copy. */
const UPSIDE_DOWN = ['vflip', 'copy']
const TURNS = { 0: [], 90: ['transpose=clock'], 180: ['hflip', ...UPSIDE_DOWN], 270: ['transpose=cclock'] }
const FLIPS = { none: [], horizontal: ['hflip'], vertical: UPSIDE_DOWN }

/** Turns frames of a camera that is not mounted upright. */
export class Orientation implements Disposable {
  readonly #filters: string
  #open: { filter: FilterAPI; kind: string } | undefined
  #count = 0

  constructor({ rotate, flip }: Turn) {
    this.#filters = [...TURNS[rotate], ...FLIPS[flip]].join(',')
  }

  /** Takes ownership of the frame; returns it, or a turned one in its place. */
  async apply(source: Frame): Promise<Frame> {
    if (this.#filters === '') return source
    const { colorSpace, colorRange } = source
    const filter = this.#filterFor(source)
    try {
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
    this.#open?.filter.close()
    this.#open = undefined
  }

  /** A filter graph is for one size and pixel format. */
  #filterFor({ width, height, format }: Frame): FilterAPI {
    const kind = `${width}x${height} ${format}`
    if (this.#open?.kind !== kind) {
      this.#open?.filter.close()
      this.#open = { filter: FilterAPI.create(this.#filters), kind }
    }
    return this.#open.filter
  }
}

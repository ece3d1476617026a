import { FilterAPI, Frame, Rational } from 'node-av'
import type { VisionSection } from '../config.ts'

type Turn = Pick<VisionSection, 'rotate' | 'flip'>

/** FFmpeg's filters for turns clockwise, then mirrored. `vflip` only counts rows backwards; nobody else can, so a copy is made. */
const UPSIDE_DOWN = ['vflip', 'copy']
const TURNS = { 0: [], 90: ['transpose=clock'], 180: ['hflip', ...UPSIDE_DOWN], 270: ['transpose=cclock'] }
const FLIPS = { none: [], horizontal: ['hflip'], vertical: UPSIDE_DOWN }

/** Sets pictures upright whose camera is not. */
export class Orientation implements Disposable {
  readonly #filters: string
  #open: { filter: FilterAPI; kind: string } | undefined
  #count = 0

  constructor({ rotate, flip }: Turn) {
    this.#filters = [...TURNS[rotate], ...FLIPS[flip]].join(',')
  }

  /** Takes the picture over and returns it, or a turned one in its place. */
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
    if (!(turned instanceof Frame)) throw new Error('the picture cannot be turned')
    turned.colorSpace = colorSpace
    turned.colorRange = colorRange
    return turned
  }

  [Symbol.dispose](): void {
    this.#open?.filter.close()
    this.#open = undefined
  }

  /** Filters are made for one size and format. */
  #filterFor({ width, height, format }: Frame): FilterAPI {
    const kind = `${width}x${height} ${format}`
    if (this.#open?.kind !== kind) {
      this.#open?.filter.close()
      this.#open = { filter: FilterAPI.create(this.#filters), kind }
    }
    return this.#open.filter
  }
}

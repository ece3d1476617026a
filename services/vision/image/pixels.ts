import { FFmpegError, Frame, Log, SoftwareScaleContext } from 'node-av'
import {
  AV_LOG_FATAL,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  type AVPixelFormat,
} from 'node-av/constants'
import type { Matrix } from './color.ts'
import { fit, type Size } from './fit.ts'

// what matters comes back as error codes; the rest is chatter on stderr
Log.setLevel(AV_LOG_FATAL)

/** Height from which unlabelled video is taken for BT.709, as browsers and cameras do. */
const HD_HEIGHT = 720

/** Throws the FFmpeg error that a negative code stands for. */
export function check(code: number, doing: string): void {
  FFmpegError.throwIfError(code, doing)
}

/**
 * A new picture, its pixels undefined: planar 4:2:0, limited range, unless told otherwise. The caller frees it.
 */
export function allocate(
  { width, height }: Size,
  matrix: Matrix,
  { format = AV_PIX_FMT_YUV420P, fullRange = false }: { format?: AVPixelFormat; fullRange?: boolean } = {},
): Frame {
  const frame = new Frame()
  frame.alloc()
  frame.format = format
  frame.width = width
  frame.height = height
  frame.colorRange = fullRange ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
  frame.colorSpace = matrix === 'bt709' ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
  check(frame.getBuffer(0), 'frame buffer')
  return frame
}

/** The three planes of a 4:2:0 picture with their strides; writing to them writes to the picture. */
export interface Planes extends Size {
  y: Buffer
  u: Buffer
  v: Buffer
  strideY: number
  strideUv: number
  matrix: Matrix
}

export function planesOf(frame: Frame): Planes {
  const [y, u, v] = frame.data ?? []
  const [strideY = 0, strideUv = 0] = frame.linesize
  if (!y || !u || !v) throw new Error('a picture without three planes')
  return { width: frame.width, height: frame.height, y, u, v, strideY, strideUv, matrix: matrixOf(frame) }
}

export function matrixOf(frame: Frame): Matrix {
  if (frame.colorSpace === AVCOL_SPC_BT709) return 'bt709'
  if (frame.colorSpace === AVCOL_SPC_SMPTE170M || frame.colorSpace === AVCOL_SPC_BT470BG) return 'bt601'
  // JFIF pictures are BT.601 of any size
  return frame.colorRange === AVCOL_RANGE_JPEG || frame.height < HD_HEIGHT ? 'bt601' : 'bt709'
}

/** Scales and converts pictures; keeps its tables as long as sizes and formats stay. */
export class Scaler implements Disposable {
  readonly #context = new SoftwareScaleContext()

  constructor() {
    this.#context.allocContext()
    check(this.#context.setOption('sws_flags', 'bilinear'), 'scaler flags')
  }

  /** Fills `target` from `source`, in the size, format, range and matrix that `target` is labelled with. */
  async scale(target: Frame, source: Frame): Promise<void> {
    if (sameShape(target, source)) check(target.copy(source), 'copy')
    else check(await this.#context.scaleFrame(target, source), 'scale')
  }

  [Symbol.dispose](): void {
    this.#context.freeContext()
  }
}

function sameShape(a: Frame, b: Frame): boolean {
  return (
    a.width === b.width &&
    a.height === b.height &&
    a.format === b.format &&
    a.colorRange === b.colorRange &&
    matrixOf(a) === matrixOf(b)
  )
}

/** Makes what a camera or decoder gives into what the rest works with: 4:2:0, limited range, labelled, size bounded. */
export class Normaliser implements Disposable {
  readonly #scaler = new Scaler()
  readonly #box: Size

  constructor(box: Size) {
    this.#box = box
  }

  /** Takes `source` over and returns it, or a converted picture in its place. */
  async normalise(source: Frame): Promise<Frame> {
    const size = fit(source, this.#box)
    const matrix = matrixOf(source)
    source.colorSpace = matrix === 'bt709' ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
    const limited = source.colorRange !== AVCOL_RANGE_JPEG
    if (limited) source.colorRange = AVCOL_RANGE_MPEG
    const fits = size.width === source.width && size.height === source.height
    if (fits && limited && source.format === AV_PIX_FMT_YUV420P) return source
    using original = source
    const target = allocate(size, matrix)
    await this.#scaler.scale(target, original)
    return target
  }

  [Symbol.dispose](): void {
    this.#scaler[Symbol.dispose]()
  }
}

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
import { FFmpegError, Frame, Log, SoftwareScaleContext } from 'node-av/lib'
import type { Matrix } from './color.ts'
import { fit, type Size } from './fit.ts'

// errors are returned as codes; FFmpeg's log on stderr adds nothing to them
Log.setLevel(AV_LOG_FATAL)

/** Height from which unlabelled video counts as BT.709, as in browsers and cameras. */
const HD_HEIGHT = 720

/** Throws the FFmpeg error of a negative code. */
export function check(code: number, doing: string): void {
  FFmpegError.throwIfError(code, doing)
}

interface Allocation {
  format?: AVPixelFormat
  fullRange?: boolean
  /** Bytes that the length of a row is a multiple of; 0: what suits the CPU. */
  alignment?: number
}

/** A new frame with undefined pixels; planar 4:2:0, limited range by default. The caller frees it. */
export function allocate(
  { width, height }: Size,
  matrix: Matrix,
  { format = AV_PIX_FMT_YUV420P, fullRange = false, alignment = 0 }: Allocation = {},
): Frame {
  const frame = new Frame()
  frame.alloc()
  frame.format = format
  frame.width = width
  frame.height = height
  frame.colorRange = fullRange ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
  frame.colorSpace = matrix === 'bt709' ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
  check(frame.getBuffer(alignment), 'frame buffer')
  return frame
}

/** The three planes of a 4:2:0 frame and their strides; writes go to the frame. */
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
  if (!y || !u || !v) throw new Error('a frame without three planes')
  return { width: frame.width, height: frame.height, y, u, v, strideY, strideUv, matrix: matrixOf(frame) }
}

export function matrixOf(frame: Frame): Matrix {
  if (frame.colorSpace === AVCOL_SPC_BT709) return 'bt709'
  if (frame.colorSpace === AVCOL_SPC_SMPTE170M || frame.colorSpace === AVCOL_SPC_BT470BG) return 'bt601'
  // JFIF is BT.601 at any size
  return frame.colorRange === AVCOL_RANGE_JPEG || frame.height < HD_HEIGHT ? 'bt601' : 'bt709'
}

/** Scales and converts frames; keeps its tables while sizes and formats stay. */
export class Scaler implements Disposable {
  readonly #context = new SoftwareScaleContext()

  constructor() {
    this.#context.allocContext()
    check(this.#context.setOption('sws_flags', 'bilinear'), 'scaler flags')
  }

  /** Fills `target` from `source`, in the size, pixel format, range and matrix of `target`. */
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

/** The size with square pixels. */
function displaySize({ width, height, sampleAspectRatio: { num, den } }: Frame): Size {
  const isSquare = num <= 0 || den <= 0 || num === den
  return { width: isSquare ? width : Math.round((width * num) / den), height }
}

/** Converts decoder output to the format of the pipeline: 4:2:0, limited range, labelled, of bounded size. */
export class FrameConverter implements Disposable {
  readonly #scaler = new Scaler()
  readonly #box: Size

  constructor(box: Size) {
    this.#box = box
  }

  /** Takes ownership of `source`; returns it, or a converted frame in its place. */
  async convert(source: Frame): Promise<Frame> {
    const size = fit(displaySize(source), this.#box)
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

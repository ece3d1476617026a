/** Photos: full-size JPEGs of `take_photo`, and their store on disk. */
import { JpegEncoder } from '../encode/jpeg.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { fit, type Size } from '../image/fit.ts'
import { FrameConverter, type Planes } from '../image/pixels.ts'
import { ScratchFrame } from '../image/scratch-frame.ts'

/** Larger than any camera: photos keep the size of the frame. */
const ANY_SIZE: Size = { width: 16_384, height: 16_384 }
/** MJPEG quantizers, 1 is best: the first for the stored photo, the others until a photo is small enough to send. */
const QUANTIZERS = [2, 4, 7, 12, 20]
/** Then the photo is scaled down by this factor, in at most so many steps. */
const SCALE_STEP = 0.7
const MAX_SCALE_STEPS = 8

export interface Photo extends Size {
  jpeg: Buffer
}

type Draw = (planes: Planes, captured: CapturedFrame) => void

/** Encodes a frame at full size as JPEG; `draw` draws on it first. */
export async function encodePhoto(captured: CapturedFrame, draw?: Draw): Promise<Photo> {
  return await withPixels(captured, draw, async (encode) => await encode(1, QUANTIZERS[0] ?? 1))
}

/** The same with at most `maxBytes`: coarser first, then smaller. */
export async function encodePhotoWithin(
  captured: CapturedFrame,
  maxBytes: number,
  draw?: Draw,
): Promise<Photo> {
  return await withPixels(captured, draw, async (encode) => {
    let photo = await encode(1, QUANTIZERS[0] ?? 1)
    for (const quantizer of QUANTIZERS.slice(1)) {
      if (photo.jpeg.length > maxBytes) photo = await encode(1, quantizer)
    }
    for (let step = 1; step <= MAX_SCALE_STEPS && photo.jpeg.length > maxBytes; step++) {
      photo = await encode(SCALE_STEP ** step, QUANTIZERS.at(-1) ?? 1)
    }
    return photo
  })
}

type Encode = (scale: number, quantizer: number) => Promise<Photo>

async function withPixels(
  captured: CapturedFrame,
  draw: Draw | undefined,
  work: (encode: Encode) => Promise<Photo>,
): Promise<Photo> {
  using converter = new FrameConverter(ANY_SIZE)
  using scratch = new ScratchFrame()
  const source = (captured.full ?? captured.pixels).clone()
  if (!source) throw new Error('out of memory: cannot reference a frame')
  using pixels = await converter.convert(source)
  return await work(async (scale, quantizer) => {
    const box = { width: pixels.width * scale, height: pixels.height * scale }
    const { frame, planes } = await scratch.fill(pixels, fit(pixels, box))
    draw?.(planes, captured)
    using encoder = await JpegEncoder.open(frame, quantizer)
    return { jpeg: await encoder.encode(frame), width: frame.width, height: frame.height }
  })
}

import { JpegEncoder } from '../encode/jpeg.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { fit, type Size } from '../image/fit.ts'
import { Normaliser, type Planes } from '../image/pixels.ts'
import { Canvas } from '../image/scratch-frame.ts'

/** Larger than any camera: nothing is made smaller that does not have to be. */
const ANY_SIZE: Size = { width: 16_384, height: 16_384 }
/** Of MJPEG, 1 is best: what is kept, and what is tried until a photo is small enough to be sent. */
const QUALITIES = [2, 4, 7, 12, 20]
/** Then it is made smaller by this, at most so often. */
const SMALLER = 0.7
const MOST_STEPS = 8

export interface Photo extends Size {
  jpeg: Buffer
}

type Paint = (planes: Planes, captured: CapturedFrame) => void

/** The picture at full size as a JPEG; `paint` draws on it first. */
export async function develop(captured: CapturedFrame, paint?: Paint): Promise<Photo> {
  return await withPicture(captured, paint, async (encode) => await encode(1, QUALITIES[0] ?? 1))
}

/** The same, but no larger than so many bytes: coarser first, then smaller. */
export async function developWithin(captured: CapturedFrame, most: number, paint?: Paint): Promise<Photo> {
  return await withPicture(captured, paint, async (encode) => {
    let photo = await encode(1, QUALITIES[0] ?? 1)
    for (const quality of QUALITIES.slice(1)) {
      if (photo.jpeg.length > most) photo = await encode(1, quality)
    }
    for (let step = 1; step <= MOST_STEPS && photo.jpeg.length > most; step++) {
      photo = await encode(SMALLER ** step, QUALITIES.at(-1) ?? 1)
    }
    return photo
  })
}

type Encode = (scale: number, quality: number) => Promise<Photo>

async function withPicture(
  captured: CapturedFrame,
  paint: Paint | undefined,
  work: (encode: Encode) => Promise<Photo>,
): Promise<Photo> {
  using normaliser = new Normaliser(ANY_SIZE)
  using canvas = new Canvas()
  const source = (captured.full ?? captured.pixels).clone()
  if (!source) throw new Error('out of memory for a photo')
  using pixels = await normaliser.normalise(source)
  return await work(async (scale, quality) => {
    const box = { width: pixels.width * scale, height: pixels.height * scale }
    const { frame, planes } = await canvas.fill(pixels, fit(pixels, box))
    paint?.(planes, captured)
    using encoder = await JpegEncoder.open(frame, quality)
    return { jpeg: await encoder.encode(frame), width: frame.width, height: frame.height }
  })
}

import { type AccessUnit, encodeAccessUnit, nalUnits } from '#bus/access-unit.ts'
import { encodeIvf, isKeyframe } from '#bus/ivf.ts'
import type { VideoCodec } from '#bus/messages.ts'
import { Encoder, type EncoderOptions } from './encoder.ts'
import { Vp8Encoder } from './vp8-encoder.ts'

/** What a layer does differently for each codec. */
interface Format {
  open(options: EncoderOptions): Promise<Encoder | Vp8Encoder>
  isKeyframe(data: Buffer): boolean
  /** As it travels on the bus. */
  pack(unit: Omit<AccessUnit, 'keyframe'>): Buffer
}

const NAL_IDR = 5

export const FORMATS: Readonly<Record<VideoCodec, Format>> = {
  h264: { open: Encoder.open, isKeyframe: holdsIdr, pack: encodeAccessUnit },
  vp8: { open: Vp8Encoder.open, isKeyframe, pack: encodeIvf },
}

function holdsIdr(data: Buffer): boolean {
  for (const nal of nalUnits(data)) if (((nal[0] ?? 0) & 0x1f) === NAL_IDR) return true
  return false
}

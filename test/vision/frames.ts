import { AV_CODEC_ID_H264, AV_CODEC_ID_MJPEG, type AVCodecID } from 'node-av/constants'
import { Packet } from 'node-av/lib'
import { Decoder } from '#services/vision/camera/sources/decoder.ts'
import { type Rgb, toYuv } from '#services/vision/image/color.ts'
import type { Size } from '#services/vision/image/fit.ts'
import { allocate, type Planes, planesOf } from '#services/vision/image/pixels.ts'
import { fillRect } from '#services/vision/overlay/paint.ts'

/** A picture of one color. */
export function plainFrame(size: Size, color: Rgb) {
  const pixels = allocate(size, size.height >= 720 ? 'bt709' : 'bt601')
  const planes = planesOf(pixels)
  fillRect(planes, { x: 0, y: 0, ...size }, toYuv(color, planes.matrix))
  return pixels
}

/** A picture that is hard to encode and different for each index. */
export function noisyFrame(size: Size, index: number) {
  const pixels = plainFrame(size, [90, 120, 150])
  const { y } = planesOf(pixels)
  let state = index + 1
  for (let at = 0; at < y.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    y[at] = 60 + (state >>> 25)
  }
  return pixels
}

/** Y, U, V at a pixel. */
export function colorAt({ y, u, v, strideY, strideUv }: Planes, x: number, row: number) {
  const chroma = Math.floor(row / 2) * strideUv + Math.floor(x / 2)
  return [y[row * strideY + x], u[chroma], v[chroma]]
}

/** Decodes access units or JPEG files, each to one picture. */
async function openDecoding(id: AVCodecID) {
  const decoder = await Decoder.open(id)
  return {
    async decode(data: Buffer) {
      using packet = new Packet()
      packet.alloc()
      packet.data = data
      await decoder.send(packet)
      return await decoder.receive()
    },
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  }
}

export const openH264 = () => openDecoding(AV_CODEC_ID_H264)
export const openJpeg = () => openDecoding(AV_CODEC_ID_MJPEG)

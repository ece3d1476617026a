import { nalUnits } from '#bus/access-unit.ts'
import { Input } from '#services/vision/camera/sources/input.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { copyShared } from '#services/vision/detect/shared-frame.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { paintLines } from '#services/vision/overlay/overlay.ts'

// Run by the arm64 Node: seconds of the clip are decoded, drawn on and encoded, and the model looks at one picture.
const FPS = 15
/** By this picture the dog has walked in. */
const DOG_AT = 40
const signal = AbortSignal.timeout(500_000)

await using input = await Input.open('demo/clip.mp4', { signal })
await using model = await loadModel(DetectorSection.parse({}))
let encoder: Encoder | undefined
const result = { arch: process.arch, pictures: 0, keyframes: 0, bytes: 0, labels: [] as string[] }
for (; result.pictures <= DOG_AT; result.pictures++) {
  const next = await input.next()
  if (!next) break
  using pixels = next.pixels
  const planes = planesOf(pixels)
  if (result.pictures === DOG_AT) {
    const { candidates } = await model.detect(copyShared(planes), 0.5)
    result.labels = candidates.map(({ label }) => label)
  }
  paintLines(planes, ['arm64'])
  const { width, height, matrix } = planes
  encoder ??= await Encoder.open({ width, height, matrix, fps: FPS, bitrate: 1_500_000 })
  const data = await encoder.encode(pixels, { at: (result.pictures * 1000) / FPS, keyframe: false })
  result.bytes += data.length
  for (const nal of nalUnits(data)) if (((nal[0] ?? 0) & 0x1f) === 5) result.keyframes++
}
encoder?.[Symbol.dispose]()
process.stdout.write(`${JSON.stringify(result)}\n`)

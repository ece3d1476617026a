import { z } from 'zod'

const number = z.coerce.number<number | string>()
const side = number.pipe(z.int().min(16).max(4096).multipleOf(2))

/** `vision.source`: where pictures come from. */
const SourceSection = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('rpicam'), args: z.array(z.string()).default([]) }),
  z.strictObject({
    type: z.literal('v4l2'),
    device: z.string().default('/dev/video0'),
    format: z.enum(['yuyv422', 'mjpeg', 'nv12', 'yuv420p', 'h264']).optional(),
  }),
  z.strictObject({ type: z.literal('url'), url: z.string().min(1), loop: z.boolean().default(true) }),
  z.strictObject({
    type: z.literal('exec'),
    command: z.array(z.string().min(1)).min(1),
    format: z.enum(['yuv420p', 'mjpeg', 'h264']),
    width: side.optional(),
    height: side.optional(),
    fps: number.pipe(z.number().min(1).max(120)).optional(),
  }),
  z.strictObject({ type: z.literal('synthetic') }),
])
export type SourceSection = z.infer<typeof SourceSection>

const DetectorSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    model: z.string().min(1).default('models/ssdlite-mobilenet-v2-300.onnx'),
    labels: z.array(z.string().min(1)).default(['dog']),
    min_score: number.pipe(z.number().min(0).max(1)).default(0.5),
    max_fps: number.pipe(z.number().min(0.1).max(60)).default(5),
  })
  .prefault({})
export type DetectorSection = z.infer<typeof DetectorSection>

/** `vision`: camera, detector, what is drawn on the picture. */
export const VisionSection = z
  .strictObject({
    source: SourceSection.prefault({ type: 'rpicam' }),
    detector: DetectorSection,
    overlay: z.boolean().default(true),
    snapshot_fps: number.pipe(z.number().min(0).max(15)).default(1),
  })
  .prefault({})
export type VisionSection = z.infer<typeof VisionSection>

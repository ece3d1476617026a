import { z } from 'zod'
import { number } from '#lib/coerced-number.ts'
import { isCron } from './privacy/schedule.ts'

/** Pixels; even, as 4:2:0 video requires. */
export const Side = number.pipe(z.int().min(16).max(4096).multipleOf(2))

/** Frames a second. */
export const Fps = number.pipe(z.number().min(1).max(60))
/** Degrees clockwise. */
export const Rotate = number.pipe(z.literal([0, 90, 180, 270]))
export const Flip = z.enum(['none', 'horizontal', 'vertical'])

/** `vision.source`: where frames come from. */
export const SourceSection = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('rpicam'),
    args: z.array(z.string()).default([]),
    lores: z.strictObject({ width: Side, height: Side }).optional(),
  }),
  z.strictObject({
    type: z.literal('v4l2'),
    device: z.string().default('/dev/video0'),
    format: z.enum(['yuyv422', 'mjpeg', 'nv12', 'yuv420p', 'h264']).optional(),
  }),
  z.strictObject({
    type: z.literal('url'),
    url: z.string().min(1),
    loop: z.boolean().default(true),
    rtsp_transport: z.enum(['tcp', 'udp', 'auto']).optional(),
    ca: z.string().min(1).optional(),
    tls_insecure: z.boolean().optional(),
  }),
  z.strictObject({
    type: z.literal('exec'),
    command: z.array(z.string().min(1)).min(1),
    format: z.enum(['yuv420p', 'mjpeg', 'h264']),
    width: Side.optional(),
    height: Side.optional(),
    fps: number.pipe(z.number().min(1).max(120)).optional(),
    lores: z.strictObject({ width: Side, height: Side }).optional(),
  }),
  z.strictObject({ type: z.literal('synthetic') }),
])
export type SourceSection = z.infer<typeof SourceSection>

/** Output formats of detectors; `auto` identifies the file. */
export const MODEL_FORMATS = [
  'auto',
  'yolov8',
  'yolov5',
  'yolox',
  'end2end',
  'dfine',
  'rtdetr',
  'rfdetr',
  'mmdeploy',
  'detr',
] as const

const score = number.pipe(z.number().min(0).max(1))

/** `vision.detector`; `command/set_detector` changes it at run time. */
export const DetectorSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    model: z.string().min(1).default('models/ssdlite-mobilenet-v2-300.onnx'),
    labels: z.array(z.string().min(1)).default(['dog']),
    min_score: score.default(0.5),
    min_scores: z.record(z.string(), score).default({}),
    keep_score: score.default(0.3),
    max_fps: number.pipe(z.number().min(0.1).max(60)).default(5),
    threads: number.pipe(z.int().min(1).max(16)).default(1),
    format: z.enum(MODEL_FORMATS).default('auto'),
    names: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
    size: z.strictObject({ width: Side, height: Side }).optional(),
    letterbox: z.enum(['stretch', 'centre', 'top-left']).optional(),
    scale: z.enum(['unit', 'byte', 'imagenet']).optional(),
    colours: z.enum(['rgb', 'bgr']).optional(),
  })
  .prefault({})
export type DetectorSection = z.infer<typeof DetectorSection>

const fraction = number.pipe(z.number().min(0).max(1))

/** `vision.zones.<name>`: a polygon in fractions of the image. */
const ZoneSection = z.strictObject({
  points: z
    .array(z.tuple([fraction, fraction]))
    .min(3)
    .max(64),
  labels: z.array(z.string().min(1)).default([]),
  dwell: number.pipe(z.number().min(0).max(86_400)).default(5),
})
export type ZoneSection = z.infer<typeof ZoneSection>

/** `vision`: camera, detector, overlay. */
export const VisionSection = z
  .strictObject({
    source: SourceSection.prefault({ type: 'rpicam' }),
    sources_from_commands: z
      .array(z.string().regex(/^[\w.:[\]-]+$/, 'expected a host or host:port'))
      .default([]),
    max_pixels: number.pipe(z.int().min(16_384).max(134_217_728)).default(4096 * 2304),
    rotate: Rotate.default(0),
    flip: Flip.default('none'),
    detector: DetectorSection,
    zones: z
      .record(
        z.string().regex(/^[\w-]{1,40}$/, 'expected a name of at most 40 letters, digits, _ and -'),
        ZoneSection,
      )
      .default({}),
    overlay: z.boolean().default(true),
    snapshot_fps: number.pipe(z.number().min(0).max(15)).default(1),
    photos: z
      .strictObject({
        keep: number.pipe(z.int().min(0).max(100_000)).default(200),
        max_mb: number.pipe(z.number().min(1).max(100_000)).default(200),
      })
      .prefault({}),
  })
  .prefault({})
export type VisionSection = z.infer<typeof VisionSection>

const cron = z.string().refine(isCron, 'expected a cron expression that will be due, such as "0 22 * * *"')

/** `privacy`: when camera and microphone are closed. */
export const PrivacySection = z
  .strictObject({
    schedule: z
      .array(z.strictObject({ from: cron, to: cron }))
      .max(50)
      .default([]),
  })
  .prefault({})
export type PrivacySection = z.infer<typeof PrivacySection>

/** Camera settings that `command/camera_control` changes at run time. */
export interface CameraSettings extends Pick<VisionSection, 'source' | 'rotate' | 'flip'> {
  /** Larger frames of a source are an error. */
  maxPixels?: number
  /** Largest size of the video. */
  width: number
  height: number
  fps: number
}

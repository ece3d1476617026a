import { z } from 'zod'
import { LAYERS } from '#bus/messages.ts'
import { number } from '#lib/coerced-number.ts'
import { DataDir, WebrtcSection } from '#lib/config-schema.ts'

/** Longest pre-roll; what is in memory for it is bounded by `buffer_mb` too. */
const MAX_PRE_SECONDS = 60

/** Seconds before and after what is kept. */
const span = (pre: number, post: number) =>
  z.strictObject({
    pre: number.pipe(z.number().min(0).max(MAX_PRE_SECONDS)).default(pre),
    post: number.pipe(z.number().min(0).max(600)).default(post),
  })
export type Span = z.infer<ReturnType<typeof span>>

const PRE_SECONDS = 5
const POST_SECONDS = 10
const event = span(PRE_SECONDS, POST_SECONDS).prefault({})
const name = z
  .string()
  .regex(/^[\w -]{1,100}$/, 'expected a name of at most 100 letters, digits, spaces, _ and -')

/** `recorder.keep`: what is recorded, each with its seconds before and after. */
const Keep = z
  .strictObject({
    labels: z.record(name, event).prefault({ dog: {} }),
    zones: z.record(name, event).default({}),
    events: z.record(name, event).prefault({ bark: {} }),
    /** From before `treat_dispensed`; null: not kept. */
    treats: span(PRE_SECONDS, 15).nullable().prefault({}),
  })
  .prefault({})

const days = number.pipe(z.number().positive().max(3_650))
const megabytes = number.pipe(z.number().min(1).max(10_000_000))

/** `recorder`: clips with pre-roll, recordings for apps, and how long they are kept. */
export const RecorderSection = z
  .strictObject({
    enabled: z.boolean().default(false),
    layer: z.enum(LAYERS).default('high'),
    /** Null: that of the layer. */
    bitrate_kbps: number.pipe(z.number().min(100).max(20_000)).nullable().default(null),
    /** Seconds. */
    keyframe_interval: number.pipe(z.number().min(0.5).max(10)).default(2),
    sound: z.boolean().default(true),
    keep: Keep,
    continuous: z
      .strictObject({
        enabled: z.boolean().default(false),
        minutes: number.pipe(z.number().min(0.1).max(60)).default(5),
        days: days.default(2),
        max_mb: megabytes.default(20_000),
      })
      .prefault({}),
    retention: z
      .strictObject({
        days: days.default(30),
        max_mb: megabytes.default(5_000),
        min_free_mb: number.pipe(z.number().min(1).max(1_000_000)).default(500),
      })
      .prefault({}),
    max_clip_seconds: number.pipe(z.number().min(10).max(3_600)).default(300),
    buffer_mb: number.pipe(z.number().min(1).max(40)).default(24),
    /** Least seconds between two flushes to the disk. */
    sync_interval: number.pipe(z.number().min(0).max(600)).default(10),
  })
  .prefault({})
export type RecorderSection = z.infer<typeof RecorderSection>

/** What the recorder reads of `cloud`: where recordings for apps are uploaded. */
const UploadTarget = z
  .looseObject({
    enabled: z.boolean().default(true),
    relay_url: z.string().trim().default('wss://api.wimzai.com/ws/device'),
    device_id: z.string().trim().default(''),
  })
  .prefault({})

export const config = {
  recorder: RecorderSection,
  webrtc: WebrtcSection,
  cloud: UploadTarget,
  data_dir: DataDir,
}
export type RecorderConfig = z.infer<z.ZodObject<typeof config>>

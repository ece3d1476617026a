import { z } from 'zod'
import { number } from '#lib/coerced-number.ts'

const device = z.string().min(1)

/** `audio.source`: where sound comes from. */
export const AudioSourceSection = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('alsa'), device: device.default('default') }),
  z.strictObject({ type: z.literal('pulse'), device: device.optional() }),
  z.strictObject({ type: z.literal('pipewire'), device: device.optional() }),
  z.strictObject({
    type: z.literal('exec'),
    command: z.array(z.string().min(1)).min(1),
    rate: number.pipe(z.int().min(8_000).max(192_000)).default(48_000),
    channels: number.pipe(z.int().min(1).max(2)).default(1),
  }),
  z.strictObject({
    type: z.literal('url'),
    url: z.string().min(1),
    loop: z.boolean().default(true),
    rtsp_transport: z.enum(['tcp', 'udp']).optional(),
    ca: z.string().min(1).optional(),
    tls_insecure: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('synthetic') }),
])
export type AudioSourceSection = z.infer<typeof AudioSourceSection>

/** `audio.speaker`: where the voice of a viewer is played. */
export const AudioSpeakerSection = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('alsa'), device: device.default('default') }),
  z.strictObject({ type: z.literal('pulse'), device: device.optional() }),
  z.strictObject({ type: z.literal('pipewire'), device: device.optional() }),
  z.strictObject({ type: z.literal('exec'), command: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ type: z.literal('file'), path: z.string().min(1) }),
])
export type AudioSpeakerSection = z.infer<typeof AudioSpeakerSection>

/** `audio`: the microphone, what viewers get of it, and the speaker. */
export const AudioSection = z
  .strictObject({
    source: AudioSourceSection.prefault({ type: 'none' }),
    gain: number.pipe(z.number().min(0).max(100)).default(1),
    noise_gate_dbfs: number.pipe(z.number().min(-90).max(0)).nullable().default(null),
    bitrate_kbps: number.pipe(z.number().min(6).max(128)).default(32),
    dtx: z.boolean().default(false),
    speaker: AudioSpeakerSection.prefault({ type: 'none' }),
    volume: number.pipe(z.number().min(0).max(1)).default(1),
    full_duplex: z.boolean().default(false),
    modes: z.array(z.string().min(1)).default(['idle', 'manual']),
  })
  .prefault({})
export type AudioSection = z.infer<typeof AudioSection>

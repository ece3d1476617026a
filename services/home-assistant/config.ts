import { z } from 'zod'
import { CommandLimits } from '#commands/actuators.ts'
import { Controls } from '#commands/controls.ts'
import { number } from '#lib/coerced-number.ts'
import { BusSection, CloudIdentity, DataDir } from '#lib/config-schema.ts'

const seconds = number.pipe(z.number().min(1).max(3600))

/** `homeassistant`: discovery of the robot by Home Assistant. */
export const HomeAssistantSection = z
  .strictObject({
    enabled: z.boolean().default(false),
    discovery_prefix: z
      .string()
      .regex(/^[^/+#${}]+(\/[^/+#${}]+)*$/, 'expected topic levels, without + # and without / at its ends')
      .default('homeassistant'),
    name: z.string().trim().min(1).max(100).default('WIM-Z'),
    controls: Controls,
    labels: z.array(z.string().min(1)).min(1).default(['dog']),
    absent_after: seconds.default(30),
    reachable_topic: z
      .string()
      .regex(/^[^+#]+$/, 'expected a topic, without + and #')
      .nullable()
      .default(null),
    picture_every: seconds.nullable().default(10),
  })
  .prefault({})

/** A part of `audio` that the robot may lack. */
const device = z.looseObject({ type: z.string() }).prefault({ type: 'none' })

/** What this service reads of `audio`: whether there are a microphone and a speaker. */
const AudioDevices = z.looseObject({ source: device, speaker: device }).prefault({})

export const config = {
  homeassistant: HomeAssistantSection,
  cloud: CloudIdentity.unwrap().extend({ command_limits: CommandLimits }).prefault({}),
  audio: AudioDevices,
  bus: BusSection,
  data_dir: DataDir,
}

export type HomeAssistantConfig = z.infer<z.ZodObject<typeof config>>

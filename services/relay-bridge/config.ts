import { z } from 'zod'
import { CommandLimits } from '#commands/actuators.ts'
import { number } from '#lib/coerced-number.ts'
import { DataDir } from '#lib/config-schema.ts'

const seconds = number.pipe(z.number().positive().max(3600))

/** A header value for Node: Latin-1 without control characters (RFC 9110 §5.5). */
const HEADER = /^[\t\x20-\x7e\x80-\xff]*$/

/** `cloud`: the relay. The key names are those of earlier robots' configs. */
export const CloudSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    relay_url: z
      .string()
      .trim()
      .regex(/^wss?:\/\/[^/?#]/i, 'expected ws://… or wss://…')
      .default('wss://api.wimzai.com/ws/device'),
    device_id: z.string().trim().regex(HEADER, 'expected one line of Latin-1 characters').default(''),
    device_secret: z.string().trim().default(''),
    reconnect_delay: seconds.default(5),
    heartbeat_interval: seconds.default(30),
    share_hotspot_password: z.boolean().default(false),
    command_limits: CommandLimits,
  })
  .prefault({})

/** Whether the robot has video. */
const VideoSwitch = z.looseObject({ enabled: z.boolean().default(true) }).prefault({})

export const config = { cloud: CloudSection, webrtc: VideoSwitch, data_dir: DataDir }

export type BridgeConfig = z.infer<z.ZodObject<typeof config>>

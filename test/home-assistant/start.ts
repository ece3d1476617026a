import type { TestContext } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { JsonObject } from '#bus/messages.ts'
import { binary, json } from '#bus/topic.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { BusSection, CloudIdentity } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { startHomeAssistant } from '#services/home-assistant/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

interface Options {
  log: Logger
  section?: object
  /** `cloud.command_limits` */
  limits?: object
  hasAudio?: boolean
  hasSpeaker?: boolean
  /** `bus.prefix` */
  prefix?: string
  dataDir?: string
  /** ms */
  silence?: number
}

/** The service as its process starts it, but looking more often. */
export function startService(t: TestContext, bus: Bus, options: Options) {
  const { log, section, limits, hasAudio, hasSpeaker, prefix, dataDir, silence = 30_000 } = options
  const device = (exists?: boolean) => ({ type: exists ? 'synthetic' : 'none' })
  const config = {
    homeassistant: HomeAssistantSection.parse({ enabled: true, ...section }),
    cloud: {
      ...CloudIdentity.parse({ device_id: 'Wimz-robot.06' }),
      command_limits: CommandLimits.parse(limits),
    },
    audio: { source: device(hasAudio), speaker: device(hasSpeaker) },
    bus: BusSection.parse({ prefix }),
    data_dir: dataDir ?? temporaryFolder(t),
  }
  return startHomeAssistant({ bus, config, log }, { tick: 20, silence, readings: 50 })
}

const unprefixed = { unprefixed: true, from: 'test', to: 'test', description: '' }

/** Home Assistant's topics below its usual prefix. */
export const discovery = json('homeassistant/device/{id}/config', {
  payload: JsonObject,
  qos: 1,
  ...unprefixed,
})
export const status = binary('homeassistant/status', { qos: 1, ...unprefixed })

/** What the detector says of one picture: one object of each label, its track confirmed unless `track_id` says otherwise. */
export function detected(labels: string[], track_id: number | null = 1): Detections {
  const objects = labels.map((label) => ({ label, score: 0.9, box: [0, 0, 0.5, 0.5] as const, track_id }))
  return {
    frame: 1,
    captured_at: Date.now(),
    inference_ms: 10,
    objects: objects.map((one) => ({ ...one, box: [...one.box] })),
  }
}

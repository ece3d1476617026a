import { z } from 'zod'
import { type CommandHandler, paramsOf } from '../commands/commands.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { toEpoch } from '../frame/wall-clock.ts'
import type { Planes } from '../image/pixels.ts'
import type { Mode } from '../mode.ts'
import type { Sight } from '../track/detection-tracking.ts'
import type { Profiles } from '../track/profiles.ts'
import { paintOverlay } from './overlay.ts'

interface HudOptions {
  enabled: boolean
  sight: Pick<Sight, 'at'>
  profiles: Pick<Profiles, 'dogOf'>
  mode: Pick<Mode, 'now'>
}

/** What is drawn into the pictures: everything as it is at that moment (FIELD_FAILURES E08). */
export class Hud {
  enabled: boolean
  readonly #options: HudOptions

  constructor(options: HudOptions) {
    this.#options = options
    this.enabled = options.enabled
  }

  /** Draws, if it is switched on. */
  readonly paint = (planes: Planes, captured: CapturedFrame): void => {
    if (this.enabled) this.draw(planes, captured)
  }

  /** Draws in any case. */
  readonly draw = (planes: Planes, captured: CapturedFrame): void => {
    const { sight, profiles, mode } = this.#options
    paintOverlay(planes, {
      objects: captured.live ? sight.at(captured.at) : [],
      time: toEpoch(captured.at),
      mode: mode.now,
      nameOf: (label) => profiles.dogOf(label)?.name,
    })
  }
}

const Params = z.object({ enabled: z.boolean() })

/** `command/set_overlay {enabled}`, until the robot starts again. */
export function setOverlay(hud: Hud, onChange: () => void): CommandHandler {
  return {
    name: 'set_overlay',
    run(params) {
      hud.enabled = paramsOf(Params, params).enabled
      onChange()
      return { enabled: hud.enabled }
    },
  }
}

/** The overlay: boxes with names, the robot's mode and the clock, drawn into the planes of a frame. */

import type { Mode } from '#lib/media/robot-mode.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import type { Planes } from '../image/pixels.ts'
import type { DetectionTracking } from '../track/detection-tracking.ts'
import type { Profiles } from '../track/profiles.ts'
import { paintOverlay } from './overlay.ts'

interface OverlayRendererOptions {
  enabled: boolean
  tracking: Pick<DetectionTracking, 'objectsAt'>
  profiles: Pick<Profiles, 'dogOf'>
  mode: Pick<Mode, 'current'>
}

/** Draws the overlay with tracks, mode and clock as of the capture time of the frame. */
export class OverlayRenderer {
  enabled: boolean
  readonly #options: OverlayRendererOptions

  constructor(options: OverlayRendererOptions) {
    this.#options = options
    this.enabled = options.enabled
  }

  /** Draws if the overlay is enabled. */
  paint(planes: Planes, captured: CapturedFrame): void {
    if (this.enabled) this.draw(planes, captured)
  }

  /** Draws whether or not the overlay is enabled. */
  draw(planes: Planes, captured: CapturedFrame): void {
    const { tracking, profiles, mode } = this.#options
    paintOverlay(planes, {
      objects: captured.live ? tracking.objectsAt(captured.at) : [],
      time: toEpoch(captured.at),
      mode: mode.current,
      nameOf: (label) => profiles.dogOf(label)?.name,
    })
  }
}

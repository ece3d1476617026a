import { z } from 'zod'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import type { OverlayRenderer } from '../overlay/overlay-renderer.ts'

const Params = z.object({ enabled: z.boolean() })

/** `command/set_overlay {enabled}`, until the next start. `onChange` is called after a change. */
export function setOverlay(overlay: Pick<OverlayRenderer, 'enabled'>, onChange: () => void): CommandHandler {
  return {
    name: 'set_overlay',
    run(params) {
      overlay.enabled = paramsOf(Params, params).enabled
      onChange()
      return { enabled: overlay.enabled }
    },
  }
}

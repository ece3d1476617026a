import { z } from 'zod'
import { ServiceState } from './messages.ts'

/** Milliseconds since the epoch. */
const time = z.number()

/** Why a clip was kept. */
export const ClipReason = z.object({
  kind: z.enum(['label', 'zone', 'event', 'treat', 'continuous', 'command']),
  label: z.string().optional().describe('of the object'),
  zone: z.string().optional(),
  event: z.string().optional().describe('name of the event, as on `event/<name>`'),
  at: time.describe('when it began'),
})

/** One recording of the recorder. */
export const Clip = z.object({
  id: z.string().describe('unique; a file name without its suffix'),
  sequence: z.int().describe('order of the recordings, whatever the clock said'),
  file: z.string().describe('below `data_dir/recorder/clips`'),
  startedAt: time.describe('when its first frame was captured'),
  durationMs: z.number(),
  reasons: z.array(ClipReason),
  bytes: z.int(),
  width: z.int(),
  height: z.int(),
  hasAudio: z.boolean(),
  complete: z.boolean().describe('false while it is being recorded'),
  cutShort: z.string().optional().describe('why it ended before its time'),
  gaps: z
    .array(z.object({ at: z.number(), ms: z.number() }))
    .describe('where frames are missing: ms from its start, and for how long'),
  favorite: z.boolean().optional().describe('never deleted by age or size'),
})

/** `recorder/clips`: what happens to a clip. */
export const ClipChange = z.object({ type: z.enum(['new', 'update', 'end', 'removed']), clip: Clip })

/** `recorder/state`. The details are missing while the service is offline or starting. */
export const RecorderState = ServiceState.extend({
  recording: z.boolean().optional().describe('a clip is being written'),
  error: z.string().nullable().optional().describe('why nothing can be recorded'),
  private: z.boolean().optional().describe('nothing is recorded, because privacy is on'),
  clips: z.int().optional(),
  bytes: z.number().optional().describe('of all clips'),
  free_bytes: z.number().nullable().optional().describe('on the disk'),
  buffer: z
    .object({ seconds: z.number(), bytes: z.int() })
    .optional()
    .describe('video in memory, for the seconds before an event'),
})

/** `state/privacy`. */
export const PrivacyState = z.object({
  enabled: z.boolean().describe('camera and microphone are closed, and nothing may be recorded'),
  until: z.number().nullable().describe('when this changes (ms since the epoch), if that is known'),
  source: z
    .enum(['relay', 'datachannel', 'homeassistant', 'schedule', 'config', 'recovered'])
    .describe(
      'what decided: a command by its source, `privacy.schedule`, the default, or a stored state that was damaged',
    ),
})
export type PrivacyState = z.infer<typeof PrivacyState>

import type { SessionSummary } from '#bus/messages.ts'

type Fields = Readonly<Record<string, unknown>>

/** Numbers and texts of the `status` event that the app knows; what nobody has told is null, never 0 (API_CONTRACT 2.4, FIELD_FAILURES I06). */
const KNOWN = ['battery', 'temperature', 'mode', 'is_charging', 'treats_remaining', 'volume'] as const

/**
 * `data` of the `status` event: every `telemetry/<source>` merged, the newest source last, and what the stack itself
 * knows. The app casts `treats_remaining` to an integer, so it is one.
 */
export function statusData(
  telemetry: Iterable<Fields>,
  vision: Fields,
  sessions: readonly SessionSummary[],
): Record<string, unknown> {
  const merged: Record<string, unknown> = Object.fromEntries(KNOWN.map((key) => [key, null]))
  for (const fields of telemetry) Object.assign(merged, fields)
  const { treats_remaining: treats, battery } = merged
  return {
    ...merged,
    battery: isNumber(battery) ? Math.round(Math.min(100, Math.max(0, battery)) * 10) / 10 : null,
    treats_remaining: isNumber(treats) ? Math.trunc(treats) : null,
    connection_type: connectionType(sessions),
    camera_ok: typeof vision.camera_ok === 'boolean' ? vision.camera_ok : null,
    camera_error: typeof vision.camera_error === 'string' ? vision.camera_error : null,
  }
}

/** Of the viewer who came last; null without one (API_CONTRACT 3.6). */
function connectionType(sessions: readonly SessionSummary[]): 'LAN' | 'WAN' | null {
  const connected = sessions.filter(({ state }) => state === 'connected')
  const newest = connected.toSorted((a, b) => b.since - a.since)[0]
  return newest ? (newest.connection_type ?? 'LAN') : null
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value)
}

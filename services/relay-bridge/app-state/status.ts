import type { SessionSummary } from '#bus/messages.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Numbers and texts of the `status` event that the app knows; what nobody has told is null, never 0 (API_CONTRACT 2.4, FIELD_FAILURES I06). */
const KNOWN = ['battery', 'temperature', 'mode', 'is_charging', 'treats_remaining', 'volume'] as const

/** Volts of the empty battery, and from there to the full one. API_CONTRACT 2.4, `status`. */
const EMPTY_VOLTS = 12
const VOLTS = 4.8

/**
 * `data` of the `status` event: every `telemetry/<source>` merged, the newest source last, and what the stack itself
 * knows. The app casts `treats_remaining` to an integer, so it is one.
 */
export function statusData(
  telemetry: Iterable<Fields>,
  vision: Fields,
  sessions: readonly SessionSummary[],
): Record<string, unknown> {
  let merged: Record<string, unknown> = Object.fromEntries(KNOWN.map((key) => [key, null]))
  for (const fields of telemetry) merged = { ...merged, ...fields }
  const { treats_remaining: treats, charging, is_charging: isCharging } = merged
  const camera = vision.state === 'offline' ? {} : vision
  return {
    ...merged,
    battery: batteryPercent(merged),
    is_charging: isCharging ?? (typeof charging === 'boolean' ? charging : null),
    treats_remaining: isNumber(treats) ? Math.trunc(treats) : null,
    connection_type: connectionType(sessions),
    camera_ok: typeof camera.camera_ok === 'boolean' ? camera.camera_ok : null,
    camera_error: typeof camera.camera_error === 'string' ? camera.camera_error : null,
  }
}

/** Charge in percent, 1 decimal: as told, else from the voltage, else null. API_CONTRACT 2.4 and 6, 37. */
export function batteryPercent({ battery, level, voltage }: Fields): number | null {
  const told = [battery, level].find(isNumber)
  const percent = told ?? (isNumber(voltage) ? ((voltage - EMPTY_VOLTS) / VOLTS) * 100 : undefined)
  return percent === undefined ? null : Math.round(Math.min(100, Math.max(0, percent)) * 10) / 10
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

import type { SessionSummary } from '#bus/messages.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Fields of the `status` event that the app knows; unreported ones are null, never 0 (docs/field-failures.md, I06). */
const KNOWN = ['battery', 'temperature', 'mode', 'is_charging', 'treats_remaining', 'volume'] as const

/** Volts of the empty battery, and the range to the full one. */
const EMPTY_VOLTS = 12
const VOLTS_RANGE = 4.8

/**
 * `data` of the `status` event: all `telemetry/<source>` merged, the newest source last, plus camera and connection type.
 * The app casts `treats_remaining` to an integer.
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

/** Charge in percent, 1 decimal: as reported, else from the voltage, else null. */
export function batteryPercent({ battery, level, voltage }: Fields): number | null {
  const reported = [battery, level].find(isNumber)
  const percent = reported ?? (isNumber(voltage) ? ((voltage - EMPTY_VOLTS) / VOLTS_RANGE) * 100 : undefined)
  return percent === undefined ? null : Math.round(Math.min(100, Math.max(0, percent)) * 10) / 10
}

/** Of the newest viewer; null without one. */
function connectionType(sessions: readonly SessionSummary[]): 'LAN' | 'WAN' | null {
  const connected = sessions.filter(({ state }) => state === 'connected')
  const newest = connected.toSorted((a, b) => b.since - a.since)[0]
  return newest ? (newest.connection_type ?? 'LAN') : null
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value)
}

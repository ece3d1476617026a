import { isObject } from './frame.ts'

/** Names that the envelope owns; a payload cannot set them (FIELD_FAILURES I18). */
const RESERVED = new Set(['event', 'type', 'device_id', 'id', 'timestamp', 'data'])

export interface EventIdentity {
  deviceId: string
  /** A uuid: the relay drops a second event with the same one, whatever device it came from. */
  id: string
  /** When it happened, ms since the epoch. */
  at: number
}

/**
 * The frame that tells the relay of an event: `event`, never `type`, and the fields both flat, for old apps, and in
 * `data`, which is all that the relay's history keeps. API_CONTRACT 2.4.
 */
export function eventFrame(
  name: string,
  payload: Record<string, unknown>,
  { deviceId, id, at }: EventIdentity,
): Record<string, unknown> {
  const { data, ...fields } = payload
  const all = isObject(data) ? { ...fields, ...data } : fields
  const flat = Object.fromEntries(Object.entries(all).filter(([key]) => !RESERVED.has(key)))
  return wellFormed({
    event: name,
    device_id: deviceId,
    id,
    timestamp: isoTime(at),
    ...flat,
    data: all,
  }) as Record<string, unknown>
}

/** A volatile event: without an id, so that the relay keeps no record of it (API_CONTRACT 2.4, `status`). */
export function plainEventFrame(
  name: string,
  fields: Record<string, unknown>,
  { deviceId, at }: Pick<EventIdentity, 'deviceId' | 'at'>,
): Record<string, unknown> {
  return wellFormed({ event: name, device_id: deviceId, timestamp: isoTime(at), ...fields }) as Record<
    string,
    unknown
  >
}

/** ISO-8601 UTC with microseconds, as the relay stores it. */
function isoTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z')
}

/** A lone surrogate would close the app's socket (API_CONTRACT 8). */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key.toWellFormed(), wellFormed(entry)]),
  )
}

import { ContractError } from '#bus/contract-error.ts'
import { EVENT_TYPES, INTEGER_FIELDS } from '#bus/events.ts'
import { isObject } from '#lib/json-object.ts'
import { encodeFrame, type Frame } from './frame.ts'

/** Largest frame that phones handle well; files go over HTTP. */
export const MAX_FRAME_BYTES = 1024 * 1024

/** Fields of the envelope; a payload cannot set them (docs/field-failures.md, I18). */
const RESERVED = new Set(['event', 'type', 'device_id', 'id', 'timestamp', 'data'])

/** Sent with `type` instead of `event`, as the relay expects. */
const TYPE_KEYED = new Set(['metric_event', 'activity_event', 'status_update'])

/** The `data` of these is the base64 text itself, all other fields are flat: the app casts it to a string. */
const TEXT_DATA = new Set(['photo', 'audio_message'])

/** Longer text is sent only in `data`, not flat as well: a photo would be too large. */
const MAX_FLAT_TEXT = 16 * 1024

/** Names of modes on the robot, and those that apps know. */
const MODES: Readonly<Record<string, string>> = {
  photography: 'manual',
  emergency: 'manual',
  guardian: 'silent_guardian',
}
const WITH_MODE = new Set(['status', 'battery', 'mode_changed'])

export interface EventIdentity {
  deviceId: string
  /** A UUID: the relay discards a second event with the same one, from any device. */
  id: string
  /** When it happened, ms since the epoch. */
  at: number
}

/**
 * The frame of an event, with its fields flat, for old apps, and in `data`, which is all that the relay's history keeps
 * (docs/relay-protocol.md, events). Throws {@link ContractError} for what relay or app cannot process: too large, too deep,
 * a `status_update` that would show the robot offline.
 */
export function eventFrame(name: string, payload: Record<string, unknown>, identity: EventIdentity): Frame {
  const all = eventFields(name, payload)
  const { deviceId, id, at } = identity
  const flat = Object.entries(all).filter(([key, value]) => !RESERVED.has(key) && !isLong(value))
  const envelope = { device_id: deviceId, id, timestamp: isoTime(at), ...Object.fromEntries(flat) }
  const frame = TYPE_KEYED.has(name)
    ? { type: name, ...envelope, ...(name === 'status_update' ? { data: all } : {}) }
    : { event: name, ...envelope, data: TEXT_DATA.has(name) ? textData(name, all) : all }
  rejectTooLarge(name, frame)
  return frame
}

function textData(name: string, { data }: Record<string, unknown>): string {
  // the app decodes it, and rejects anything else
  const isBase64 = typeof data === 'string' && data.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(data)
  if (!isBase64) throw new ContractError(`${name} without its data as base64 text`)
  return data
}

/** A volatile event: without an id, so that the relay does not store it. */
export function plainEventFrame(
  name: string,
  fields: Record<string, unknown>,
  { deviceId, at }: Pick<EventIdentity, 'deviceId' | 'at'>,
): Frame {
  const flat = Object.entries(fields).filter(([key]) => !RESERVED.has(key))
  const frame = {
    event: name,
    device_id: deviceId,
    timestamp: isoTime(at),
    ...conform(name, Object.fromEntries(flat)),
    ...(isObject(fields.data) ? { data: conform(name, fields.data) } : {}),
  }
  rejectTooLarge(name, frame)
  return frame
}

/**
 * An answer to an app. It holds what the app sent and what a service answered, and must not end the connection with the
 * relay, nor that of the app. Throws {@link ContractError} where it would be too large or too deep.
 */
export function answerFrame({ event: _, ...answer }: Record<string, unknown>, deviceId: string): Frame {
  const frame = wireFields({ ...answer, device_id: deviceId })
  rejectTooLarge(String(frame.type), frame)
  return frame
}

/** Flat and nested fields of a payload as one object. A `data` that is not an object is a field like any other (`photo`). */
function eventFields(name: string, { data, ...fields }: Record<string, unknown>): Record<string, unknown> {
  const rest = data === undefined || data === null ? fields : { ...fields, data }
  const all = conform(name, isObject(data) ? { ...fields, ...data } : rest)
  if (name === 'status_update') {
    // without it old apps show the robot offline, and a field `online` throws in their listener
    if (all.robot_online !== true) throw new ContractError('status_update without robot_online: true')
    delete all.online
  }
  if (name === 'activity_event') all.payload ??= {}
  return name === 'network_state' ? withoutPasswords(all) : all
}

/** The fields with the types that apps cast to; one of the wrong type becomes null. */
function conform(name: string, payload: Record<string, unknown>): Record<string, unknown> {
  const fields = wireFields(payload)
  if (WITH_MODE.has(name)) for (const key of ['mode', 'previous_mode']) rename(fields, key)
  const checked = Object.hasOwn(EVENT_TYPES, name) ? EVENT_TYPES[name]?.fields.safeParse(fields) : undefined
  for (const { path } of checked?.error?.issues ?? []) {
    const [key] = path
    if (typeof key === 'string' && Object.hasOwn(fields, key)) fields[key] = null
  }
  return fields
}

function rename(fields: Record<string, unknown>, key: string): void {
  const mode = fields[key]
  if (typeof mode === 'string' && Object.hasOwn(MODES, mode)) fields[key] = MODES[mode]
}

/** Any account can read the retained `network_state` (docs/relay-protocol.md, relay to robot). */
export function withoutPasswords(fields: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(fields).filter(([key]) => !/password|passphrase|psk/i.test(key))
  return Object.fromEntries(
    kept.map(([key, value]) => [key, isObject(value) ? withoutPasswords(value) : value]),
  )
}

function rejectTooLarge(name: string, frame: Frame): void {
  const size = Buffer.byteLength(encodeFrame(frame))
  if (size > MAX_FRAME_BYTES) {
    throw new ContractError(
      `${name}: ${size} bytes, over the limit of ${MAX_FRAME_BYTES} for a frame; send files over HTTP`,
    )
  }
}

function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > MAX_FLAT_TEXT
}

/** ISO-8601 UTC with microseconds, as the relay stores it. */
function isoTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z')
}

/** The relay drops the robot at 1,000 levels of nesting. */
const MAX_DEPTH = 32

/**
 * The value in a form that relay and apps accept: well-formed strings (a lone surrogate closes the app's socket), no NaN,
 * integers where apps cast to one, `dog_id` as text; anything else becomes null, never 0 (docs/relay-protocol.md, frames).
 * Throws {@link ContractError} beyond {@link MAX_DEPTH} levels.
 */
function wireValue(value: unknown, key = '', depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new ContractError(`nested deeper than ${MAX_DEPTH} levels`)
  if (key === 'dog_id') return typeof value === 'string' ? value.toWellFormed() : null
  if (INTEGER_FIELDS.has(key)) return integer(value)
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) return value.map((entry) => wireValue(entry, '', depth + 1))
  if (isObject(value)) return wireFields(value, depth + 1)
  return value
}

/** {@link wireValue} of every field. */
function wireFields(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key, value]) => key !== '__proto__' && value !== undefined)
      .map(([key, value]) => [key.toWellFormed(), wireValue(value, key, depth)]),
  )
}

function integer(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number') return null
  const whole = Math.trunc(number)
  // above 2^53 a JSON number may be written with an exponent, which an app does not read as an integer
  return Number.isSafeInteger(whole) ? whole + 0 : null
}

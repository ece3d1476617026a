import { ContractError } from '#bus/contract-error.ts'
import { EVENT_TYPES } from '#bus/events.ts'
import { type Frame, isObject } from './frame.ts'
import { wireFields } from './wire-value.ts'

/** Largest frame that is sent, bytes: apps and phones choke on more (API_CONTRACT 6, 38). Files go by HTTP. */
export const MAX_FRAME = 1024 * 1024

/** Names that the envelope owns; a payload cannot set them (FIELD_FAILURES I18). */
const RESERVED = new Set(['event', 'type', 'device_id', 'id', 'timestamp', 'data'])

/** Sent with `type` instead of `event`: the relay knows them by nothing else (API_CONTRACT 2.4). */
const TYPE_KEYED = new Set(['metric_event', 'activity_event', 'status_update'])

/** A text this long is said once, in `data`: twice, a photo would be too large. */
const LONG_TEXT = 16 * 1024

/** Other names of modes on the robot, and what apps know (API_CONTRACT 2.4, `mode_changed`). */
const MODES: Readonly<Record<string, string>> = {
  photography: 'manual',
  emergency: 'manual',
  guardian: 'silent_guardian',
}
const WITH_MODE = new Set(['status', 'battery', 'mode_changed'])

export interface EventIdentity {
  deviceId: string
  /** A uuid: the relay drops a second event with the same one, whatever device it came from. */
  id: string
  /** When it happened, ms since the epoch. */
  at: number
}

/**
 * The frame that tells the relay of an event: `event`, never `type` but for the three that need it, and the fields
 * both flat, for old apps, and in `data`, which is all that the relay's history keeps. API_CONTRACT 2.4.
 * Throws {@link ContractError} for what the relay or an app would fall over: too large, too deep, a `status_update`
 * that would show the robot offline.
 */
export function eventFrame(name: string, payload: Record<string, unknown>, identity: EventIdentity): Frame {
  const all = eventFields(name, payload)
  const { deviceId, id, at } = identity
  const flat = Object.entries(all).filter(([key, value]) => !RESERVED.has(key) && !isLong(value))
  const envelope = { device_id: deviceId, id, timestamp: isoTime(at), ...Object.fromEntries(flat) }
  const frame = TYPE_KEYED.has(name)
    ? { type: name, ...envelope, ...(name === 'status_update' ? { data: all } : {}) }
    : { event: name, ...envelope, data: all }
  refuseTooLarge(name, frame)
  return frame
}

/** A volatile event: without an id, so that the relay keeps no record of it (API_CONTRACT 2.4, `status`). */
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
  refuseTooLarge(name, frame)
  return frame
}

/** Flat and nested fields of a payload as one object. A `data` that is no object is a field like any other (`photo`). */
function eventFields(name: string, { data, ...fields }: Record<string, unknown>): Record<string, unknown> {
  const rest = data === undefined || data === null ? fields : { ...fields, data }
  const all = conform(name, isObject(data) ? { ...fields, ...data } : rest)
  if (name === 'status_update') {
    // without it apps show the robot offline, and a flag named `online` throws in their listener (API_CONTRACT 2.4)
    if (all.robot_online !== true) throw new ContractError('status_update without robot_online: true')
    delete all.online
  }
  if (name === 'activity_event') all.payload ??= {}
  return name === 'network_state' ? withoutPasswords(all) : all
}

/** Fields as the apps' casts can stand them: one of the wrong kind becomes null. */
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

/** Any account that names our device gets the retained `network_state` (API_CONTRACT 8, strangers). */
export function withoutPasswords(fields: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(fields).filter(([key]) => !/password|passphrase|psk/i.test(key))
  return Object.fromEntries(
    kept.map(([key, value]) => [key, isObject(value) ? withoutPasswords(value) : value]),
  )
}

function refuseTooLarge(name: string, frame: Frame): void {
  const size = Buffer.byteLength(JSON.stringify(frame))
  if (size > MAX_FRAME) {
    throw new ContractError(
      `${name}: ${size} bytes, more than the ${MAX_FRAME} of a frame; send files by HTTP`,
    )
  }
}

function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > LONG_TEXT
}

/** ISO-8601 UTC with microseconds, as the relay stores it. */
function isoTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z')
}

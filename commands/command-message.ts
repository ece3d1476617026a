import { isObject } from '#lib/json-object.ts'
import { isStopName } from './drive/drive.ts'
import { wireTime } from './wire-time.ts'

/** A message of an app: a JSON object. */
type Message = Readonly<Record<string, unknown>>

/** A command of an app, read from any of the shapes that apps send. */
export interface CommandMessage {
  /** Undefined when the message names no command. */
  name: string | undefined
  params: Record<string, unknown>
  /** By the app's clock, ms since the epoch. */
  issuedAt: number | undefined
  /** Goes back in the acknowledgment. */
  echo: Record<string, unknown>
}

/** Fields around the parameters. */
const ENVELOPE = new Set([
  'type',
  'command',
  'id',
  'request_id',
  'timestamp',
  'session_id',
  'device_id',
  'target_device',
])
/** A drive command's place in its stream: may stand beside `data` as well. */
const SEQUENCE = ['seq', 'ts'] as const
const ECHOED = ['id', 'request_id', 'timestamp'] as const
/** Longest text that goes back. */
const MAX_ECHO = 256

/**
 * Name of the command: `command` or, without one, a `type` other than "command". A `type` that stops the robot always
 * counts.
 */
export function commandName({ type, command }: Message): string | undefined {
  if (isText(type) && isStopName(type)) return type
  if (isText(command)) return command
  return isText(type) && type !== 'command' ? type : undefined
}

/** Whether a message means anything: it has a `type` or a `command`. */
export function isMessage({ type, command }: Message): boolean {
  return typeof type === 'string' || typeof command === 'string'
}

/**
 * Reads a command. Parameters are `data` where that is an object with entries, else every top-level field but the
 * envelope; one more level of `data` inside is merged in. Any other `data` but null is a parameter of that name.
 */
export function parseCommand(message: Message): CommandMessage {
  const echo = pick(message, ECHOED, isShort)
  return {
    name: commandName(message),
    params: parameters(message),
    issuedAt: wireTime(message.timestamp),
    echo,
  }
}

/** Deepest nesting of parameters. */
const MAX_DEPTH = 64

/** Whether every number inside is one: JSON.parse makes Infinity of 1e999, which no service expects. False when nested too deeply. */
export function hasFiniteNumbers(value: unknown, depth = 0): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (depth > MAX_DEPTH) return false
  // no copies: a frame may hold millions of values
  if (Array.isArray(value)) return value.every((one) => hasFiniteNumbers(one, depth + 1))
  for (const key in value) if (!hasFiniteNumbers(value[key as keyof typeof value], depth + 1)) return false
  return true
}

function parameters({ data, ...message }: Message): Record<string, unknown> {
  if (isObject(data) && Object.keys(data).length > 0) {
    const { data: inner, ...rest } = data
    const params = isObject(inner) ? { ...rest, ...inner } : data
    return { ...pick(message, SEQUENCE), ...params }
  }
  const flat = Object.fromEntries(Object.entries(message).filter(([key]) => !ENVELOPE.has(key)))
  return data === undefined || data === null || isObject(data) ? flat : { ...flat, data }
}

function pick(
  message: Message,
  keys: readonly string[],
  where: (value: unknown) => boolean = (value) => value !== undefined,
): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => where(message[key])).map((key) => [key, message[key]]))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isShort(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && value.length <= MAX_ECHO)
}

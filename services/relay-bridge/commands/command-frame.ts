import { type Frame, isObject } from '../protocol/frame.ts'
import { wireTime } from '../protocol/wire-time.ts'

/** A command of an app, out of whichever shape it came in. */
export interface ParsedCommand {
  /** Undefined when the frame does not say. */
  name: string | undefined
  params: Record<string, unknown>
  /** By the app's clock, ms since the epoch. */
  issuedAt: number | undefined
  /** Given back in the acknowledgement. */
  echo: Record<string, unknown>
}

const NO_PARAMETERS = new Set(['type', 'command', 'timestamp', 'session_id', 'device_id', 'target_device'])
const ECHOED = ['id', 'request_id', 'timestamp'] as const
/** Longest text that is given back. */
const MAX_ECHO = 256

/**
 * Reads a command frame. Parameters are `data` where that is an object with something in it, else everything at top
 * level but the envelope; one more level of `data` inside is merged in. API_CONTRACT 2.2.
 */
export function parseCommand(frame: Frame): ParsedCommand {
  const name = typeof frame.command === 'string' && frame.command !== '' ? frame.command : undefined
  const echo = Object.fromEntries(ECHOED.filter((key) => isShort(frame[key])).map((key) => [key, frame[key]]))
  return { name, params: parameters(frame), issuedAt: wireTime(frame.timestamp), echo }
}

function isShort(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && value.length <= MAX_ECHO)
}

function parameters({ data, ...frame }: Frame): Record<string, unknown> {
  if (isObject(data) && Object.keys(data).length > 0) {
    const { data: inner, ...rest } = data
    if (inner === undefined) return data
    return isObject(inner) ? { ...rest, ...inner } : data
  }
  const flat = Object.fromEntries(Object.entries(frame).filter(([key]) => !NO_PARAMETERS.has(key)))
  return data === undefined || data === null || isObject(data) ? flat : { ...flat, data }
}

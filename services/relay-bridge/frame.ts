import { ContractError } from '#bus/contract-error.ts'

/** A frame of the relay: any JSON object. */
export type Frame = Record<string, unknown>

/** Parses a text frame. Throws {@link ContractError} for anything but a JSON object (API_CONTRACT 2). */
export function parseFrame(text: string): Frame {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (err) {
    throw new ContractError('frame is not JSON', { cause: err })
  }
  if (!isObject(value)) throw new ContractError('frame is not a JSON object')
  return value
}

/** A JSON object: no array, no null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The kind of a frame. A `command` without a known `type` is a command as well (API_CONTRACT 2.1). */
export function kindOf(frame: Frame, known: ReadonlySet<string>): string {
  const type = typeof frame.type === 'string' ? frame.type : undefined
  if (type !== undefined && known.has(type)) return type
  if (typeof frame.command === 'string') return 'command'
  if (type === undefined) throw new ContractError('frame has neither a type nor a command')
  return type
}

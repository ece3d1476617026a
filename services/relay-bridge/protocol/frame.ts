import { ContractError } from '#bus/contract-error.ts'
import { commandName } from '#commands/command-message.ts'
import { KNOWN_COMMANDS } from '#commands/command-names.ts'
import { isObject } from '#lib/json-object.ts'

/** The room of the relay's frames: parsing, events and their encoding. */
/** A frame: any JSON object. */
export type Frame = Record<string, unknown>

const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Millions of levels fit into 8 MiB, and each costs memory. */
const MAX_DEPTH = 64

/** Parses a text frame. Throws {@link ContractError} for anything but a JSON object. */
export function parseFrame(text: string): Frame {
  if (text.length > 2 * MAX_DEPTH && isDeep(text)) throw new ContractError('frame is nested too deeply')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (err) {
    throw new ContractError('frame is not JSON', { cause: err })
  }
  if (!isObject(value)) throw new ContractError('frame is not a JSON object')
  return value
}

/** Whether the text is nested deeper than {@link MAX_DEPTH}, in one pass; brackets in strings do not count. */
function isDeep(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length && depth <= MAX_DEPTH; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) i = endOfString(text, i)
    else if (char === OPEN_ARRAY || char === OPEN_OBJECT) depth++
    else if (char === CLOSE_ARRAY || char === CLOSE_OBJECT) depth--
  }
  return depth > MAX_DEPTH
}

/** Index of the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i
}

/** The kind of a frame. Without a `type` of the relay it is a command if it has a `command`, or a known command as its type. */
export function kindOf(frame: Frame, known: ReadonlySet<string>): string {
  const type = typeof frame.type === 'string' ? frame.type : undefined
  if (type !== undefined && known.has(type)) return type
  const name = commandName(frame)
  if (typeof frame.command === 'string' || (name !== undefined && KNOWN_COMMANDS.has(name))) return 'command'
  if (type === undefined) throw new ContractError('frame has neither a type nor a command')
  return type
}

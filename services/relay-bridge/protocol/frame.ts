import { ContractError } from '#bus/contract-error.ts'
import { commandName } from '#commands/command-message.ts'
import { KNOWN_COMMANDS } from '#commands/command-names.ts'
import { isObject } from '#lib/json-object.ts'

/** The room of the relay's frames: parsing, events and their encoding. */
/** A frame: any JSON object. */
export type Frame = Record<string, unknown>

/** Fields that apps cast to a floating-point number, which fails for a JSON number without a fraction. */
const DOUBLE_FIELDS: ReadonlySet<string> = new Set([
  'target_sec',
  'confidence',
  'loudness_db',
  'progress',
  'temperature',
  'voltage',
  'battery',
  'level',
])

/** ECMAScript's JSON.rawJSON(), which the type library does not declare yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown }

/** The text of a frame; `10` in a field of floating-point numbers becomes `10.0`. */
export function encodeFrame(frame: Frame): string {
  return JSON.stringify(frame, (key, value: unknown) =>
    Number.isSafeInteger(value) && DOUBLE_FIELDS.has(key) ? rawJson((value as number).toFixed(1)) : value,
  )
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
/** What a bracket does to the depth. */
const STEPS: ReadonlyMap<number, number> = new Map([
  [0x5b, 1],
  [0x7b, 1],
  [0x5d, -1],
  [0x7d, -1],
])

/** Millions of levels, or of values, fit into 8 MiB, and each costs memory. */
const MAX_DEPTH = 64
const MAX_VALUES = 50_000

/** Parses a text frame. Throws {@link ContractError} for anything but a JSON object. */
export function parseFrame(text: string): Frame {
  checkBounds(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (err) {
    throw new ContractError('frame is not JSON', { cause: err })
  }
  if (!isObject(value)) throw new ContractError('frame is not a JSON object')
  return value
}

/** Throws {@link ContractError} for too many levels or values, before any is built: one pass, strings skipped. */
function checkBounds(text: string): void {
  if (text.length <= 2 * MAX_DEPTH) return
  let depth = 0
  let values = 1
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) i = endOfString(text, i)
    else if (char === COMMA) values++
    else depth += STEPS.get(char) ?? 0
    if (depth > MAX_DEPTH) throw new ContractError('frame is nested too deeply')
    if (values > MAX_VALUES) throw new ContractError('frame has too many values')
  }
}

/** Index of the closing quote of the string that opens at `start`, or the length of the text. Linear. */
function endOfString(text: string, start: number): number {
  for (let i = text.indexOf('"', start + 1); i >= 0; i = text.indexOf('"', i + 1)) {
    let backslashes = 0
    while (text.charCodeAt(i - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return i
  }
  return text.length
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

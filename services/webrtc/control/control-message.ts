/** What a viewer says on its data channel (API_CONTRACT 3.3). */
export type ControlMessage =
  | { kind: 'ping'; fields: Record<string, unknown> }
  | {
      kind: 'command'
      name: string
      params: Record<string, unknown>
      /** The app's own id of it, to be given back with the result. */
      id?: string | number
      /** ms since the epoch, by the app's clock. */
      issuedAt?: number
    }

const MAX_BYTES = 16 * 1024
const NAME = /^[\w.-]{1,64}$/
/** Fields around the parameters (API_CONTRACT 2.2). */
const ENVELOPE = ['type', 'command', 'id', 'request_id', 'timestamp', 'session_id', 'device_id', 'data']
/** A message's place among the others (API_CONTRACT 3.3 rule 3): may stand beside `data` as well. */
const MARKS = ['seq', 'ts']

/**
 * Reads one text frame; undefined for anything that is not a message of the contract: no JSON object, too long, without
 * a name, or with a number that is none (JSON.parse makes Infinity of 1e999).
 */
export function parseControlMessage(text: string): ControlMessage | undefined {
  if (text.length > MAX_BYTES) return undefined
  const fields = parseObject(text)
  if (!fields) return undefined
  const name = fields.type === undefined || fields.type === 'command' ? fields.command : fields.type
  if (typeof name !== 'string' || !NAME.test(name)) return undefined
  if (name === 'ping') return { kind: 'ping', fields }
  const { timestamp } = fields
  const id = fields.id ?? fields.request_id
  return {
    kind: 'command',
    name,
    params: paramsOf(fields),
    ...(typeof id === 'string' || typeof id === 'number' ? { id } : {}),
    ...(typeof timestamp === 'number' ? { issuedAt: timestamp } : {}),
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text, (_key, entry: unknown) => {
      if (typeof entry === 'number' && !Number.isFinite(entry)) throw new RangeError('not a finite number')
      return entry
    })
    return isObject(value) ? value : undefined
  } catch {
    return undefined // not JSON, or not finite: what it is makes no difference
  }
}

/** `data` where it is an object that holds something, else everything beside the envelope. */
function paramsOf(fields: Record<string, unknown>): Record<string, unknown> {
  const { data } = fields
  if (isObject(data) && Object.keys(data).length > 0) {
    const marks = Object.entries(fields).filter(([key]) => MARKS.includes(key))
    return { ...Object.fromEntries(marks), ...data }
  }
  const rest = Object.entries(fields).filter(([key]) => !ENVELOPE.includes(key))
  return Object.fromEntries(data === undefined || isObject(data) ? rest : [...rest, ['data', data]])
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

import { z } from 'zod'
import { ContractError } from './contract-error.ts'
import { cutToFit } from './cut-to-fit.ts'

/** Name of a parameter of a topic pattern: `layer` in `video/{layer}`. */
type ParamOf<Pattern extends string> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamOf<Rest>
  : never

/** Arguments that fill the parameters of a topic; none for a topic without parameters. */
export type Params<P extends string> = [P] extends [never] ? [] : [Record<P, string>]

/** The declaration of a topic, without its pattern. */
interface TopicSpec<T> {
  /** Schema of a JSON payload; `'binary'` for raw bytes. */
  payload: z.ZodType<T> | 'binary'
  qos: 0 | 1
  retain?: boolean
  /** Its names do not begin with `bus.prefix`, because another system defines them. */
  unprefixed?: boolean
  /** Parameter values that are refused, because those names belong to another topic. */
  reserved?: readonly string[]
  /** Lifetime of a message [s]: a broker with MQTT 5 discards it afterwards. 0: unlimited. */
  expiry?: number
  /** Largest payload that is published or accepted [bytes]. */
  maxBytes?: number
  /** A larger payload is cut, not rejected: a state with less detail is better than the old one. */
  cut?: boolean
  from: string
  to: string
  description: string
}

/** A kind of message on the bus: its name pattern (without prefix), payload, QoS and retain flag. */
export interface Topic<T, P extends string = never> extends Required<Omit<TopicSpec<T>, 'payload'>> {
  payload: z.ZodType<T> | 'binary'
  pattern: string
  /** Topic name for these parameters. Throws {@link ContractError} for a value that is empty or contains `/`, `+`, `#` or NUL. */
  name(...params: Params<P>): string
  /** Subscription filter; parameters left out become `+`. */
  filter(params?: Partial<Record<P, string>>): string
  /** Parameters of a topic name, or undefined if the name does not match. */
  match(name: string): Record<P, string> | undefined
}

const DEFAULT_MAX_BYTES = 256 * 1024

/** Declares a topic with a JSON payload. */
export function json<Pattern extends string, T>(
  pattern: Pattern,
  spec: TopicSpec<T> & { payload: z.ZodType<T> },
): Topic<T, ParamOf<Pattern>> {
  return declare(pattern, spec)
}

/** Declares a topic whose payload is bytes. */
export function binary<Pattern extends string>(
  pattern: Pattern,
  spec: Omit<TopicSpec<Buffer>, 'payload'>,
): Topic<Buffer, ParamOf<Pattern>> {
  return declare<Pattern, Buffer>(pattern, { ...spec, payload: 'binary' })
}

function declare<Pattern extends string, T>(
  pattern: Pattern,
  spec: TopicSpec<T>,
): Topic<T, ParamOf<Pattern>> {
  type P = ParamOf<Pattern>
  const levels = pattern.split('/').map((level) => /^\{(.+)\}$/.exec(level)?.[1] ?? { fixed: level })
  const isReserved = (params: Partial<Record<string, string>> = {}) =>
    Object.values(params).some((value) => spec.reserved?.includes(value ?? ''))
  return {
    retain: false,
    unprefixed: false,
    reserved: [],
    maxBytes: DEFAULT_MAX_BYTES,
    cut: false,
    expiry: 0,
    ...spec,
    pattern,
    name(...[params]) {
      const name = levels.map((level) => fill(level, params)).join('/')
      if (isReserved(params)) throw new ContractError(`${name} belongs to another topic`)
      return name
    },
    filter: (params = {}) => levels.map((level) => fill(level, params, '+')).join('/'),
    match(name) {
      const found = parseParams(levels, name.split('/'))
      return isReserved(found) ? undefined : (found as Record<P, string> | undefined)
    },
  }
}

/** A level of a pattern: a parameter name, or a fixed text. */
type Level = string | { fixed: string }

function parseParams(levels: Level[], parts: string[]): Record<string, string> | undefined {
  if (parts.length !== levels.length) return undefined
  const found: Record<string, string> = {}
  for (const [i, level] of levels.entries()) {
    const part = parts[i] ?? ''
    if (typeof level === 'string') found[level] = part
    else if (level.fixed !== part) return undefined
  }
  return found
}

/** Longest parameter of a topic; brokers reject topic names over 65,535 bytes [MQTT-4.7.3-3]. */
const MAX_LEVEL_LENGTH = 1_024

/** Control characters and non-characters. A broker may close the connection that sends one (MQTT 3.1.1 §1.5.3); ours and Mosquitto do. */
export const CONTROL_CHARACTER = /\p{Cc}|\p{Noncharacter_Code_Point}/u

/** Whether a text can be exactly one level of a topic name, which has no wildcard [MQTT-3.3.2-2]. */
function isLevel(text: string): boolean {
  return (
    text.length <= MAX_LEVEL_LENGTH &&
    text.isWellFormed() &&
    !/[/+#]/.test(text) &&
    !CONTROL_CHARACTER.test(text)
  )
}

function fill(level: Level, params: Partial<Record<string, string>> | undefined, otherwise?: string): string {
  if (typeof level !== 'string') return level.fixed
  const value = params?.[level] ?? otherwise
  if (!value || (value !== otherwise && !isLevel(value))) {
    throw new ContractError(`${JSON.stringify(value ?? '')} cannot be the {${level}} of a topic`)
  }
  return value
}

/** A name or filter as it is sent to the broker, with the prefix. */
export function toWire(topic: { unprefixed: boolean }, prefix: string, name: string): string {
  return topic.unprefixed ? name : `${prefix}/${name}`
}

/** The inverse of {@link toWire}; undefined for a name without the prefix. */
export function fromWire(topic: { unprefixed: boolean }, prefix: string, name: string): string | undefined {
  if (topic.unprefixed) return name
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined
}

/**
 * Serializes a payload; null becomes an empty one. Throws {@link ContractError} if it does not match the topic's schema or size
 * limit. A payload over the limit of a topic with `cut` is cut, after a call of `onCut` with its size.
 */
export function encodePayload<T, P extends string>(
  topic: Topic<T, P>,
  payload: T,
  onCut?: (bytes: number) => void,
): Buffer {
  if (payload === null) return Buffer.alloc(0)
  const schema = topic.payload
  const value = schema === 'binary' ? payload : parse(topic, schema, payload)
  const bytes = schema === 'binary' ? (payload as Buffer) : Buffer.from(JSON.stringify(value))
  if (bytes.length <= topic.maxBytes) return bytes
  const isValid = (cut: unknown) => schema !== 'binary' && schema.safeParse(cut).success
  const cut = topic.cut ? cutToFit(value, topic.maxBytes, isValid) : undefined
  if (cut === undefined) throw tooLarge(topic, bytes.length)
  onCut?.(bytes.length)
  return Buffer.from(JSON.stringify(cut))
}

/** Parses a payload; an empty one becomes null. Throws {@link ContractError} if it does not match the topic's schema or size limit. */
export function decodePayload<T, P extends string>(topic: Topic<T, P>, bytes: Buffer): T {
  if (bytes.length > topic.maxBytes) throw tooLarge(topic, bytes.length)
  if (topic.payload === 'binary') return bytes as T
  return parse(topic, topic.payload, bytes.length === 0 ? null : parseJson(bytes))
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (err) {
    throw new ContractError('not JSON', { cause: err })
  }
}

function parse<T, P extends string>(topic: Topic<T, P>, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new ContractError(`${topic.pattern}: ${z.prettifyError(result.error).replaceAll('\n', ' ')}`)
}

function tooLarge(topic: { pattern: string; maxBytes: number }, size: number): ContractError {
  return new ContractError(`${topic.pattern}: ${size} bytes, the limit is ${topic.maxBytes}`)
}

import type { z } from 'zod'

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a section with keys',
  record: 'a section with keys',
}

/** The allowed value, as "expected a whole number 1 to 64". An error map for `safeParse`; a text in the schema takes precedence. */
export function expectation(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${typeName(issue)}`
    case 'invalid_value':
      return expectedOneOf(issue.values)
    case 'invalid_union':
      return issue.options ? expectedOneOf(issue.options as unknown[]) : expectedUnion(issue)
    case 'too_small':
    case 'too_big':
      return expectedSize(issue)
    case 'not_multiple_of':
      return issue.divisor === 2 ? 'expected an even number' : `expected a multiple of ${issue.divisor}`
    case 'invalid_format':
      return issue.format === 'url' ? expectedUrl(issue.pattern) : 'invalid characters'
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'invalid name'
    default:
      return 'invalid value'
  }
}

function typeName({ expected, inst }: RawIssue & { expected?: unknown }): string {
  const name = TYPES[String(expected)] ?? String(expected)
  const keys = keysOf(inst)
  return keys.length > 0 ? `${name}: ${keys.join(', ')}` : name
}

/** The keys of an object schema; none of another schema. */
export function keysOf(schema: unknown): string[] {
  const shape = (schema as { shape?: object } | undefined)?.shape
  return shape ? Object.keys(shape) : []
}

function expectedOneOf(values: readonly unknown[]): string {
  return values.length === 1 ? `expected ${values[0]}` : `expected one of ${values.join(', ')}`
}

function expectedUnion({ errors }: { errors: { message: string; code?: string }[][] }): string {
  const kinds = errors.flatMap(([first]) => (first ? [first.message.replace(/^expected /, '')] : []))
  return `expected ${kinds.join(', or ')}`
}

interface Size {
  origin: string
  minimum?: number | bigint
  maximum?: number | bigint
  inclusive?: boolean | undefined
  schema?: unknown
}

function expectedSize(size: Size): string {
  const { origin, minimum, maximum } = size
  const limit = minimum === undefined ? `at most ${maximum}` : `at least ${minimum}`
  if (origin === 'array') return `expected ${limit} ${(minimum ?? maximum) === 1 ? 'entry' : 'entries'}`
  if (origin === 'string') {
    return minimum === 1 ? 'expected a text that is not empty' : `expected ${limit} characters`
  }
  return `expected ${expectedNumber(size, limit)}`
}

function expectedNumber({ minimum, maximum, inclusive = true, schema }: Size, limit: string): string {
  const { minValue, maxValue, format } = (schema ?? {}) as Partial<z.ZodNumber>
  const kind = format?.includes('int') ? 'a whole number' : 'a number'
  const [least, most] = [minValue ?? -Infinity, maxValue ?? Infinity]
  if (!inclusive) return minimum === undefined ? `${kind} below ${maximum}` : `${kind} above ${minimum}`
  return Number.isFinite(least) && Number.isFinite(most) ? `${kind} ${least} to ${most}` : `${kind}, ${limit}`
}

/** `pattern` is that of the protocol, such as `^(mqtts?|wss?)$`. */
function expectedUrl(pattern: string | undefined): string {
  const names = /\^\(?([\w?|]+)\)?\$/.exec(pattern ?? '')?.[1]
  if (!names) return 'expected an address'
  const schemes = names
    .split('|')
    .flatMap((name) => (name.endsWith('s?') ? [name.slice(0, -2), name.replace('?', '')] : [name]))
  return `expected an address such as ${schemes.map((scheme) => `${scheme}://host`).join(', ')}`
}

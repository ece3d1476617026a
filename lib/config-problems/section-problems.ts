import type { z } from 'zod'
import { hideCredentials, hideSignatures } from '../redact.ts'
import { expectation, keysOf } from './expectation.ts'
import { nearMiss } from './near-miss.ts'
import type { YamlFile } from './yaml-file.ts'

type Path = readonly PropertyKey[]

/** What is wrong at which place of a config. */
export interface Problem {
  path: Path
  text: string
  /** A key in the section at `path` that is wrong itself. */
  key?: string
}

const MAX_QUOTED = 60

/** A text in place of one of these is quoted; in place of a section or a list it may hold keys with secrets. */
const SCALARS: ReadonlySet<string> = new Set(['string', 'number', 'int', 'boolean'])

/** Names of keys whose values are never quoted, and of texts that seem to hold such a key. */
const SECRET = /secret|passw|credential|token|psk|^key$|auth|^devices$/i

interface Context {
  /** The value before `${NAME}` was replaced, which may be secret. */
  written: unknown
  /** Where the keys of other sections are looked up. */
  whole: z.ZodType
}

/** Parses `value`; the problems, all of them, if it does not satisfy the schema. */
export function parseWithProblems<T>(
  schema: z.ZodType<T>,
  value: unknown,
  { written = value, whole = schema }: Partial<Context> = {},
): { data: T | undefined; problems: Problem[] } {
  const { data, error } = schema.safeParse(value, { reportInput: true, error: expectation })
  const issues = error?.issues ?? []
  return { data, problems: issues.flatMap((issue) => problemsOf(issue, { written, whole })) }
}

/** Each problem as `file:line:column: key: text`, in the order of the file. */
export function describeProblems(file: YamlFile, problems: readonly Problem[]): string[] {
  return problems
    .map(({ path, key, text }) => {
      const name = showPath(key === undefined ? path : [...path, key])
      const { shown, offset } = file.position(path, key)
      return { offset, line: `${shown}: ${name ? `${name}: ` : ''}${text}` }
    })
    .sort((a, b) => a.offset - b.offset)
    .map(({ line }) => line)
}

/** `vision.zones.sofa.points[0]`. */
function showPath(path: Path): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${showKey(String(part))}`,
    )
    .join('')
}

/** `device_secret:abc`, without the blank, is one key to YAML: it is shown only up to the colon. */
function showKey(key: string): string {
  return key.replace(/[:=].*/s, (rest) => (rest.length > 1 ? ':…' : rest))
}

function problemsOf(issue: z.core.$ZodIssue, context: Context): Problem[] {
  const { code, path, message } = issue
  if (code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path, key, text: unknownKey(key, path, context.whole, issue.input) }))
  }
  if (code === 'invalid_key') return [{ path: path.slice(0, -1), key: String(path.at(-1)), text: message }]
  const nested = code === 'invalid_union' ? deepest(issue) : []
  if (nested.length > 0) {
    return nested.flatMap((inner) => problemsOf({ ...inner, path: [...path, ...inner.path] }, context))
  }
  const value = at(context.written, path) ?? inputOf(issue)
  return [{ path, text: [message, ...foundInstead(issue, value)].join(', ') + question(issue, value) }]
}

/** The value at the path of the issue, where it has one. */
function inputOf(issue: z.core.$ZodIssue): unknown {
  const isElsewhere = issue.code === 'custom' || (issue.code === 'invalid_union' && 'discriminator' in issue)
  return isElsewhere ? undefined : issue.input
}

function foundInstead(issue: z.core.$ZodIssue, value: unknown): string[] {
  // what does not go together is not at this key
  if (issue.code === 'custom' && value === undefined) return []
  const isText = typeof value === 'string' && issue.code === 'invalid_type' && !SCALARS.has(issue.expected)
  return [isText ? 'found a text' : found(value, issue.path)]
}

function question(issue: z.core.$ZodIssue, value: unknown): string {
  const guess = typeof value === 'string' ? nearMiss(value, allowedTexts(issue)) : undefined
  return guess === undefined ? '' : `; did you mean ${guess}?`
}

/** Of a union, the problems of the option whose outer form fits: a list with a wrong entry is no text. */
function deepest(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] {
  const fitting = issue.errors.filter(
    (some) => some.length > 0 && some.every(({ path, code }) => path.length > 0 || code !== 'invalid_type'),
  )
  return fitting.length === 1 ? (fitting[0] ?? []) : []
}

function allowedTexts(issue: z.core.$ZodIssue): string[] {
  const values =
    issue.code === 'invalid_value'
      ? issue.values
      : issue.code === 'invalid_union' && 'options' in issue
        ? issue.options
        : undefined
  return (values ?? []).filter((value) => typeof value === 'string')
}

function unknownKey(key: string, path: Path, schema: z.ZodType, siblings: unknown): string {
  const known = keysAt(schema, path, siblings)
  const near = nearMiss(showKey(key).replace(/:…$/, ''), known)
  if (/[:=]./s.test(key))
    return `unknown key; add a space after the colon${near === undefined ? '' : ` of ${near}`}`
  if (near !== undefined) return `unknown key; did you mean ${near}?`
  const elsewhere = pathsTo(key, schema)
  if (elsewhere.length > 0 && elsewhere.length < 4)
    return `unknown key; did you mean ${elsewhere.join(' or ')}?`
  return `unknown key; known here: ${known.join(', ')}`
}

/** What is written at a path: quoted where it is one short text or number, and not secret. */
function found(value: unknown, path: Path): string {
  if (value === undefined) return 'found nothing'
  if (value === null) return 'found nothing after the colon'
  if (Array.isArray(value)) return `found a list of ${value.length}`
  if (typeof value === 'object') return 'found a section with keys'
  const isHidden = path.some((part) => SECRET.test(String(part))) || SECRET.test(String(value))
  if (isHidden) return 'found another value (hidden: it may be secret)'
  if (typeof value !== 'string') return `found ${value}`
  const text = hideSignatures(hideCredentials(value))
  return `found ${JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text)}`
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, part) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[part],
    value,
  )
}

interface Definition {
  innerType?: z.ZodType
  in?: z.ZodType
  out?: z.ZodType
  element?: z.ZodType
  valueType?: z.ZodType
  options?: z.ZodType[]
  type?: string
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition
}

/** The schemas that a default, an optional, a conversion or a union consists of. */
function wrappedIn(schema: z.ZodType): z.ZodType[] {
  const { innerType, in: input, out, options = [] } = definitionOf(schema)
  return [innerType, input, out, ...options].filter((one) => one !== undefined)
}

/** The object schemas behind defaults, unions and conversions. */
function objectsOf(schema: z.ZodType): z.ZodType[] {
  if (keysOf(schema).length > 0) return [schema]
  return wrappedIn(schema).flatMap(objectsOf)
}

/** The keys that the object at `path` may have; of a union, those of the variant that `siblings` names by `type`. */
function keysAt(schema: z.ZodType, path: Path, siblings: unknown): string[] {
  const [first, ...rest] = path
  const objects = objectsOf(schema)
  if (first !== undefined) {
    const inner = objects.flatMap((object) => shapeOf(object)[String(first)] ?? [])
    const entries = inner.length > 0 ? inner : entriesOf(schema)
    return [...new Set(entries.flatMap((one) => keysAt(one, rest, siblings)))]
  }
  const type = (siblings as { type?: unknown } | undefined)?.type
  const variants = objects.filter((object) => shapeOf(object).type?.safeParse(type).success ?? false)
  return [...new Set((variants.length > 0 ? variants : objects).flatMap(keysOf))]
}

function shapeOf(object: z.ZodType): Record<string, z.ZodType> {
  return (object as unknown as { shape: Record<string, z.ZodType> }).shape
}

/** Schemas of the entries of a list or map behind defaults. */
function entriesOf(schema: z.ZodType): z.ZodType[] {
  const { element, valueType } = definitionOf(schema)
  const own = [element, valueType].filter((one) => one !== undefined)
  if (own.length > 0) return own
  return wrappedIn(schema).flatMap(entriesOf)
}

/** Where in the schema a key of this name is, such as `webrtc.video.fps`. */
function pathsTo(key: string, schema: z.ZodType, prefix = ''): string[] {
  const found = objectsOf(schema).flatMap((object) =>
    Object.entries(shapeOf(object)).flatMap(([name, inner]) =>
      name === key ? [`${prefix}${name}`] : pathsTo(key, inner, `${prefix}${name}.`),
    ),
  )
  return [...new Set(found)]
}

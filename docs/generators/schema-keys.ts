import { stringify } from 'yaml'
import { z } from 'zod'

/** One key of a config file. */
export interface SchemaKey {
  /** Such as `webrtc.video.width`; `[]` stands for an entry of a list, `<name>` for a free name. */
  path: string
  /** Allowed values, in Markdown. */
  type: string
  /** The default as YAML; absent where there is none. */
  fallback?: string
  /** The value of `type` with which the key is allowed. */
  variant?: string
}

interface Bounds {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  multipleOf?: number
  pattern?: string
  maxItems?: number
  minItems?: number
}

/** Every key of the sections, in their order. */
export function schemaKeys(sections: z.ZodRawShape): SchemaKey[] {
  return Object.entries(sections).flatMap(([name, schema]) => keysOf(schema, name))
}

function keysOf(schema: z.core.$ZodType, path: string, variant?: string): SchemaKey[] {
  const { inner, fallback } = unwrapped(schema)
  const own: SchemaKey = { path, type: typeOf(inner), ...(fallback !== undefined && { fallback }) }
  const key = variant === undefined ? own : { ...own, variant }
  if (inner instanceof z.ZodObject) return entriesOf(inner, path, variant)
  if (inner instanceof z.ZodDiscriminatedUnion)
    return [key, ...inner.options.flatMap((one) => ofVariant(one, path))]
  if (inner instanceof z.ZodArray) return [key, ...nested(inner.element, `${path}[]`)]
  if (inner instanceof z.ZodRecord) return [key, ...nested(inner.valueType, `${path}.<name>`)]
  return [key]
}

/** Keys inside the entries of lists and records; for plain entries the type is enough. */
function nested(schema: z.core.$ZodType, path: string): SchemaKey[] {
  const { inner } = unwrapped(schema)
  return inner instanceof z.ZodObject ? entriesOf(inner, path) : []
}

function entriesOf(object: z.ZodObject, path: string, variant?: string): SchemaKey[] {
  return Object.entries(object.shape).flatMap(([name, schema]) => keysOf(schema, `${path}.${name}`, variant))
}

function ofVariant(option: z.core.$ZodType, path: string): SchemaKey[] {
  if (!(option instanceof z.ZodObject)) return []
  const [variant] = (unwrapped(option.shape.type).inner as z.ZodLiteral).values
  return entriesOf(option.omit({ type: true }), path, String(variant))
}

/** The schema of the value in the file: without default and conversion from text. */
function unwrapped(schema: z.core.$ZodType): { inner: z.core.$ZodType; fallback?: string } {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return { fallback: inline(schema.def.defaultValue), ...omitFallback(unwrapped(schema.def.innerType)) }
  }
  if (schema instanceof z.ZodOptional) return unwrapped(schema.unwrap())
  if (schema instanceof z.ZodPipe) {
    return unwrapped(schema.out instanceof z.ZodTransform ? schema.in : schema.out)
  }
  return { inner: schema }
}

function omitFallback({ inner }: { inner: z.core.$ZodType }): { inner: z.core.$ZodType } {
  return { inner }
}

function inline(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()
}

function typeOf(schema: z.core.$ZodType): string {
  const { inner } = unwrapped(schema)
  if (inner instanceof z.ZodNullable) return `${typeOf(inner.unwrap())}, or null`
  if (inner instanceof z.ZodUnion && !(inner instanceof z.ZodDiscriminatedUnion)) {
    return inner.options.map(typeOf).join(', or ')
  }
  if (inner instanceof z.ZodDiscriminatedUnion) return 'one of the types below'
  if (inner instanceof z.ZodTuple) return `[${inner.def.items.map(typeOf).join(', ')}]`
  if (inner instanceof z.ZodObject) return `{ ${Object.keys(inner.shape).join(', ')} }`
  if (inner instanceof z.ZodRecord) return `map from names to ${typeOf(inner.valueType)}`
  if (inner instanceof z.ZodArray) return `list of ${typeOf(inner.element)}${length(boundsOf(inner))}`
  return plain(boundsOf(inner))
}

function boundsOf(schema: z.core.$ZodType): Bounds {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Bounds
}

function plain(bounds: Bounds): string {
  const { enum: choices, const: only, type, multipleOf } = bounds
  if (choices) return choices.map((choice) => `\`${choice}\``).join(', ')
  if (only !== undefined) return `\`${only}\``
  if (type === 'boolean') return '`true` or `false`'
  if (type === 'string') return 'text'
  if (type === 'integer') return `${multipleOf === 2 ? 'even' : 'whole'} number${range(bounds)}`
  if (type === 'number') return `number${range(bounds)}`
  return 'anything'
}

function range({ minimum, maximum, exclusiveMinimum }: Bounds): string {
  const least = minimum ?? exclusiveMinimum
  if (least === undefined || maximum === undefined) return least === 0 ? ' above 0' : ''
  return minimum === undefined ? ` above ${least}, up to ${maximum}` : ` ${least} to ${maximum}`
}

function length({ minItems, maxItems }: Bounds): string {
  if (minItems === undefined) return maxItems === undefined ? '' : `, ${maxItems} at most`
  return maxItems === undefined ? `, ${minItems} at least` : `, ${minItems} to ${maxItems} of them`
}

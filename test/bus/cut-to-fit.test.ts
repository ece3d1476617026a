import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { cutToFit } from '#bus/cut-to-fit.ts'
import * as message from '#bus/messages.ts'
import { decodePayload, encodePayload, json, type Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'

/** The parts of JSON Schema that the states on the bus use. */
interface Schema {
  type?: string | string[]
  enum?: string[]
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  minimum?: number
  maxLength?: number
  items?: Schema
  prefixItems?: Schema[]
  additionalProperties?: Schema | false
}

const LONG_TEXT = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc
    .string({ unit: 'binary', maxLength: 50 })
    .chain((part) => fc.integer({ min: 1, max: 300 }).map((count) => part.repeat(count))),
  fc.constantFrom('😀'.repeat(90_000), '\u0000'.repeat(50_000), '"'.repeat(20_000), 'ä'.repeat(30_000)),
)

const ID = fc.constantFrom(...'abc019-')

function scalarsOf({ type, minimum = 0, maxLength }: Schema): fc.Arbitrary<unknown> | undefined {
  const scalars: Record<string, fc.Arbitrary<unknown>> = {
    string: maxLength ? fc.string({ unit: ID, minLength: 1, maxLength }) : LONG_TEXT,
    integer: fc.integer({ min: Math.max(minimum, -1_000_000) }),
    number: fc.double({ noNaN: true, noDefaultInfinity: true }),
    boolean: fc.boolean(),
    null: fc.constant(null),
  }
  return scalars[String(type)]
}

/** Values of a schema, with texts up to 360 kB, a hundred items, and fields of its own where it allows them. */
function valuesOf({ enum: values, anyOf, ...schema }: Schema): fc.Arbitrary<unknown> {
  if (anyOf) return fc.oneof(...anyOf.map(valuesOf))
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => valuesOf({ ...schema, type })))
  if (values) return fc.constantFrom(...values)
  const scalar = scalarsOf(schema)
  if (scalar) return scalar
  if (schema.prefixItems) return fc.tuple(...schema.prefixItems.map(valuesOf))
  if (schema.type === 'array') return repeated(valuesOf(schema.items ?? {}))
  if (schema.type !== 'object') return fc.jsonValue()
  const fields = Object.entries(schema.properties ?? {}).map(([key, field]) => [key, valuesOf(field)])
  const known = fc.record(Object.fromEntries(fields), { requiredKeys: (schema.required ?? []) as never[] })
  if (schema.additionalProperties === false) return known
  const further = repeated(fc.tuple(LONG_TEXT, valuesOf(schema.additionalProperties ?? {})))
  return fc
    .tuple(further, known)
    .map(([entries, one]) => ({ ...Object.fromEntries(entries), ...(one as object) }))
}

/** A few of them, again and again: hundreds of large random values would take seconds to create. */
function repeated<T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc
    .tuple(fc.array(one, { maxLength: 4 }), fc.constantFrom(1, 1, 1, 30))
    .map(([few, count]) => Array.from({ length: few.length * count }, (_, i) => few[i % few.length] as T))
}

const STATES = Object.values(topics).filter(({ cut }) => cut) as unknown as Topic<unknown, string>[]

test('each state of a service, of any size, becomes a message within the limit that its schema allows', () => {
  assert.ok(STATES.length >= 8)
  let [cuts, invalid] = [0, 0]
  for (const topic of STATES) {
    const schema = z.toJSONSchema(topic.payload as z.ZodType, {
      io: 'input',
      unrepresentable: 'any',
    }) as Schema
    // 16 KiB, too: the cut has to go further
    for (const maxBytes of [topic.maxBytes, 16 * 1024]) {
      fc.assert(
        fc.property(valuesOf(schema), (value) => {
          if (!(topic.payload as z.ZodType).safeParse(value).success) return void invalid++
          const bytes = encodePayload({ ...topic, maxBytes }, value, () => cuts++)
          assert.ok(bytes.length <= maxBytes)
          const sent = decodePayload({ ...topic, maxBytes }, bytes) as Record<string, unknown>
          for (const key of ['state', 'since', 'connected', 'frame', 'camera_ok'])
            assert.deepEqual(sent[key], (value as Record<string, unknown>)[key], key)
        }),
        { numRuns: 12, seed: 13 },
      )
    }
  }
  assert.ok(cuts > 20 && invalid < 100, `${cuts} were too large, ${invalid} invalid`)
})

test('the state of a model with a hundred thousand long class names keeps what an operator needs', () => {
  const labels = Array.from({ length: 100_000 }, (_, i) => `class ${i} 😀`)
  const detector = {
    ...{ ok: false, error: 'x'.repeat(500_000), enabled: true, model: 'models/own.onnx', labels },
    ...{ min_score: 0.5, keep_score: 0.4, max_fps: 5, threads: 1, inference_ms: null, fps: 0 },
  }
  const state = { state: 'online' as const, version: '1', since: 1, camera_ok: true, detector, tracks: 7 }
  const sizes: number[] = []
  const bytes = encodePayload(topics.serviceState, state, (size) => sizes.push(size))
  assert.ok((sizes[0] ?? 0) > 1_000_000)
  // readers use the schema of the service
  const sent = decodePayload(topics.visionState, bytes)
  assert.deepEqual([sent.camera_ok, sent.tracks, sent.detector?.model], [true, 7, 'models/own.onnx'])
  assert.match(sent.detector?.error ?? '', /^x{1023}…$/)
  assert.deepEqual(sent.detector?.labels, labels.slice(0, 256))
  message.VisionState.parse(sent)
})

test('a text is not cut inside a character, and a small state is left as it is', () => {
  const anything = () => true
  assert.deepEqual(cutToFit({ text: `a${'😀'.repeat(600)}` }, 3_000, anything), {
    text: `a${'😀'.repeat(511)}…`,
  })
  const link = {
    ...{ state: 'online' as const, connected: true, url: null, since: 1, attempts: 0, last_close: null },
  }
  const rest = { next_retry_ms: null, app_present: null, outbox: { depth: 0, dropped: 0 } }
  const bytes = encodePayload(topics.link, { ...link, ...rest }, () => assert.fail('cut'))
  assert.deepEqual(JSON.parse(bytes.toString()), { ...link, ...rest })
})

test('what cannot be cut to a valid message is rejected, as are messages of other topics', () => {
  const strict = z.strictObject({ list: z.array(z.int()).min(1_000) })
  const spec = { qos: 1, cut: true, maxBytes: 100, from: '', to: '', description: '' } as const
  const topic = json('strict', { payload: strict, ...spec })
  assert.throws(() => encodePayload(topic, { list: Array(1_000).fill(1) }), /the limit is 100/)
  assert.throws(
    () => encodePayload(topics.offer, { session_id: 's', sdp: { type: 'offer', sdp: 'x'.repeat(300_000) } }),
    /limit/,
  )
})

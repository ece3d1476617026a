import { z } from 'zod'
import type { Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { eventTables } from './events-tables.ts'

type AnyTopic = Omit<Topic<unknown, string>, 'name' | 'filter' | 'match'>

interface Shape {
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Shape[]
  items?: Shape
  prefixItems?: Shape[]
  properties?: Record<string, Shape>
  required?: string[]
  additionalProperties?: Shape | boolean
  description?: string
  maxLength?: number
}

/** The text of `docs/topics.md`, from the table in `bus/topics.ts`. */
export function topicsPage(): string {
  const all = Object.values(topics) as AnyTopic[]
  return `${[INTRODUCTION, table(all), ...all.map(section), eventTables()].join('\n\n')}\n`
}

const INTRODUCTION = `# Topics

Generated from \`bus/topics.ts\` by \`npm run docs\`; a test fails when it is stale.

Every name begins with the prefix of \`bus.prefix\`, \`wimz\` unless configured. Payloads are JSON objects in snake_case, but
for the binary ones. Times are milliseconds since the epoch, bitrates bit/s, boxes fractions of the picture.

<!-- tested: test/e2e/bus-tools.test.ts -->
\`\`\`sh
mosquitto_sub -v -t 'wimz/+/state' -t 'wimz/vision/detections'
\`\`\``

function table(all: AnyTopic[]): string {
  const rows = all.map(
    ({ pattern, qos, retain, from, to, description }) =>
      `| [\`${pattern}\`](#${anchor(pattern)}) | ${qos}${retain ? ' R' : ''} | ${from} → ${to} | ${description} |`,
  )
  return ['| topic | QoS, R = retained | from → to | what |', '|---|---|---|---|', ...rows].join('\n')
}

/** As GitHub makes anchors of headings. */
function anchor(pattern: string): string {
  return pattern.toLowerCase().replace(/[^a-z0-9 -]/g, '')
}

function section({ pattern, payload, maxBytes }: AnyTopic): string {
  const limit = `At most ${maxBytes / 1024} KiB.`
  if (payload === 'binary') return `## ${pattern}\n\nBytes. ${limit}`
  const shape = z.toJSONSchema(payload, { io: 'input', unrepresentable: 'any' }) as Shape
  return `## ${pattern}\n\n\`\`\`\n${describe(shape, '')}\n\`\`\`\n\n${limit}`
}

function describe(shape: Shape, indent: string): string {
  if (shape.anyOf) return shape.anyOf.map((one) => describe(one, indent)).join(' | ')
  if (shape.const !== undefined) return JSON.stringify(shape.const)
  if (shape.enum) return shape.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (shape.prefixItems) return `[${shape.prefixItems.map((item) => describe(item, indent)).join(', ')}]`
  if (shape.items) return `[ ${describe(shape.items, indent)} … ]`
  if (shape.properties) return describeObject(shape, indent)
  return describePlain(shape, indent)
}

function describePlain(shape: Shape, indent: string): string {
  if (typeof shape.additionalProperties === 'object' && Object.keys(shape.additionalProperties).length > 0) {
    return `{ <name>: ${describe(shape.additionalProperties, indent)} … }`
  }
  if (shape.type === 'object') return '{ … }'
  return [shape.type ?? 'anything'].flat().join(' | ')
}

function describeObject(shape: Shape, indent: string): string {
  const inner = `${indent}  `
  const lines = Object.entries(shape.properties ?? {}).map(([name, value]) => {
    const optional = shape.required?.includes(name) ? '' : '?'
    const why = value.description ? `   # ${value.description}` : ''
    return `${inner}${name}${optional}: ${describe(value, inner)}${why}`
  })
  const open = shape.additionalProperties !== undefined && shape.additionalProperties !== false
  if (lines.length === 0) return '{}'
  return ['{', ...lines, ...(open ? [`${inner}…`] : []), `${indent}}`].join('\n')
}

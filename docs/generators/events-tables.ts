import { z } from 'zod'
import { EVENT_TYPES } from '#bus/events.ts'

/** A field in JSON Schema, with the unit that `bus/events.ts` gives it. */
interface Field {
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Field[]
  description?: string
  unit?: string
}

/** Sources of telemetry that the bridge sends by themselves, and the event that each becomes. */
const TELEMETRY = [
  ['mode', 'mode_changed', 'at each registration, and when an app connects'],
  [
    'battery',
    'battery',
    'the same; `battery` or `level`, else the charge is computed from `voltage`: (voltage − 12.0) / 4.8',
  ],
  [
    'network_state',
    'network_state',
    'the same, and when it changes; `mode: "ap"` also pauses the relay connection',
  ],
  ['any other', 'status', 'merged into `status` every 5 s, the newest source last'],
] as const

/** The fields of every event and telemetry source that apps know, in Markdown. */
export function eventTables(): string {
  const names = Object.keys(EVENT_TYPES).toSorted()
  return [EVENTS, ...names.map(eventSection), telemetrySection()].join('\n\n')
}

const EVENTS = `## Events that apps know

Names and fields of \`event/{name}\` that apps and the relay read. Other names and further fields reach the apps unchanged.
A field may be left out or null unless it is marked *required*. One of the wrong type is sent as null. *kept*: waits on disk
until the relay has read it; *now*: sent to the apps that are connected, or not at all.`

function eventSection(name: string): string {
  const { description, delivery, fields } = EVENT_TYPES[name] ?? {
    description: '',
    delivery: '',
    fields: z.object({}),
  }
  const { properties = {}, required = [] } = z.toJSONSchema(fields, {
    io: 'input',
    unrepresentable: 'any',
  }) as {
    properties?: Record<string, Field>
    required?: string[]
  }
  const rows = Object.entries(properties).map(
    ([key, field]) =>
      `| \`${key}\`${required.includes(key) ? ' *required*' : ''} | ${typeOf(field)} | ${field.unit ?? ''} | ${field.description ?? ''} |`,
  )
  return [
    `### ${name}`,
    `${description} *${delivery}*`,
    ['| field | type | unit | meaning |', '|---|---|---|---|', ...rows].join('\n'),
  ].join('\n\n')
}

function typeOf({ type, const: constant, enum: values, anyOf }: Field): string {
  if (anyOf) return anyOf.map(typeOf).filter(Boolean).join(', ')
  if (constant !== undefined) return `\`${JSON.stringify(constant)}\``
  if (values) return values.map((value) => `\`${String(value)}\``).join(', ')
  return [type ?? 'any']
    .flat()
    .filter((one) => one !== 'null')
    .join(', ')
}

function telemetrySection(): string {
  const rows = TELEMETRY.map(
    ([source, event, when]) =>
      `| ${source === 'any other' ? source : `\`${source}\``} | as [\`${event}\`](#${event}) | ${when} |`,
  )
  return `## Telemetry that apps know

\`telemetry/{source}\` holds the newest readings of one part of the robot, retained. What no source reports is null in the app,
never 0.

${['| source | fields | sent to apps |', '|---|---|---|', ...rows].join('\n')}`
}

import { z } from 'zod'

/**
 * What Home Assistant's documentation allows in a device's discovery message (home-assistant.io: MQTT, "Device discovery
 * payload"; MQTT camera, MQTT binary sensor, MQTT sensor, MQTT event, MQTT button, MQTT switch, MQTT select, MQTT number,
 * MQTT update; binary sensor and sensor, "Device class"). Keys that are not documented are refused, though Home Assistant itself
 * would ignore them.
 */

/** A topic that can be subscribed to [MQTT-4.7.1]. */
const topic = z.string().regex(/^(?!\$)[^#+\0]+$/)
const template = z.string().regex(/\{\{.*\}\}/s)
const text = z.string().min(1)
const seconds = z.int().positive()

const availability = z.strictObject({
  topic,
  payload_available: text.optional(),
  payload_not_available: text.optional(),
  value_template: template.optional(),
})
const availabilityMode = z.enum(['all', 'any', 'latest'])
const qos = z.union([z.literal(0), z.literal(1), z.literal(2)])

const device = z
  .strictObject({
    configuration_url: z.url({ protocol: /^(https?|homeassistant)$/ }).optional(),
    connections: z.array(z.tuple([text, text])).optional(),
    hw_version: text.optional(),
    identifiers: z.union([text, z.array(text).min(1)]).optional(),
    manufacturer: text.optional(),
    model: text.optional(),
    model_id: text.optional(),
    name: text.optional(),
    serial_number: text.optional(),
    suggested_area: text.optional(),
    sw_version: text.optional(),
    via_device: text.optional(),
  })
  .refine(({ identifiers, connections }) => identifiers ?? connections, 'identifiers or connections')

const origin = z.strictObject({
  name: text,
  sw_version: text.optional(),
  support_url: z.url({ protocol: /^https?$/ }).optional(),
})

/** Keys of every kind of entity. */
const common = {
  availability: z.array(availability).min(1).optional(),
  availability_mode: availabilityMode.optional(),
  availability_template: template.optional(),
  availability_topic: topic.optional(),
  enabled_by_default: z.boolean().optional(),
  encoding: z.string().optional(),
  entity_category: z.enum(['config', 'diagnostic']).optional(),
  entity_picture: z.url().optional(),
  icon: z
    .string()
    .regex(/^mdi:[a-z0-9-]+$/)
    .optional(),
  json_attributes_template: template.optional(),
  json_attributes_topic: topic.optional(),
  name: text.nullable().optional(),
  /** Up to 2026.3; `default_entity_id` since 2025.10. */
  object_id: z.string().regex(/^[a-z0-9_]+$/),
  /** Required in a device's message. */
  unique_id: text,
}

const entityId = (platform: string) =>
  z
    .string()
    .regex(new RegExp(`^${platform}\\.[a-z0-9_]+$`))
    .optional()

const camera = z.strictObject({
  ...common,
  platform: z.literal('camera'),
  default_entity_id: entityId('camera'),
  image_encoding: z.literal('b64').optional(),
  topic,
})

/** Of anything that has a state. */
const stateful = {
  ...common,
  expire_after: seconds.optional(),
  force_update: z.boolean().optional(),
  payload_available: text.optional(),
  payload_not_available: text.optional(),
  qos: qos.optional(),
  state_topic: topic,
  value_template: template.optional(),
}

const BINARY_SENSOR_CLASSES =
  `battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light
  lock moisture motion moving occupancy opening plug power presence problem running safety smoke sound tamper update
  vibration window`.split(/\s+/)

const binarySensor = z.strictObject({
  ...stateful,
  platform: z.literal('binary_sensor'),
  default_entity_id: entityId('binary_sensor'),
  device_class: z.enum(BINARY_SENSOR_CLASSES).nullable().optional(),
  entity_category: z.literal('diagnostic').optional(),
  off_delay: seconds.optional(),
  payload_off: text.optional(),
  payload_on: text.optional(),
})

/** Units that a class of sensor may have; the classes that a robot could have. */
const SENSOR_UNITS: Record<string, readonly string[]> = {
  battery: ['%'],
  current: ['A', 'mA'],
  data_size: ['B', 'kB', 'MB', 'GB', 'TB', 'MiB', 'GiB'],
  data_rate: ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'B/s', 'kB/s', 'MB/s', 'GB/s'],
  distance: ['km', 'm', 'cm', 'mm', 'mi', 'nmi', 'yd', 'in'],
  duration: ['d', 'h', 'min', 's', 'ms'],
  enum: [],
  signal_strength: ['dB', 'dBm'],
  temperature: ['°C', '°F', 'K'],
  timestamp: [],
  voltage: ['V', 'mV', 'µV', 'kV', 'MV'],
}

const sensor = z
  .strictObject({
    ...stateful,
    platform: z.literal('sensor'),
    default_entity_id: entityId('sensor'),
    device_class: z.enum(Object.keys(SENSOR_UNITS)).nullable().optional(),
    entity_category: z.literal('diagnostic').optional(),
    last_reset_value_template: template.optional(),
    options: z.array(text).min(1).optional(),
    state_class: z.enum(['measurement', 'measurement_angle', 'total', 'total_increasing']).optional(),
    suggested_display_precision: z.int().nonnegative().optional(),
    unit_of_measurement: text.nullable().optional(),
  })
  .refine(
    ({ device_class, unit_of_measurement: unit }) => {
      const units = device_class ? SENSOR_UNITS[device_class] : undefined
      return !units || (units.length === 0 ? unit === undefined : units.includes(unit ?? ''))
    },
    { error: 'not a unit of this class', path: ['unit_of_measurement'] },
  )
  .refine(({ device_class, state_class }) => !(device_class === 'timestamp' && state_class), {
    error: 'a time has no state class',
    path: ['state_class'],
  })

const event = z.strictObject({
  ...stateful,
  platform: z.literal('event'),
  default_entity_id: entityId('event'),
  device_class: z.enum(['button', 'doorbell', 'motion']).optional(),
  event_types: z.array(text).min(1),
})

/** Of anything that is used. */
const commanded = {
  ...common,
  command_topic: topic,
  command_template: template.optional(),
  qos: qos.optional(),
}

const button = z.strictObject({
  ...commanded,
  platform: z.literal('button'),
  default_entity_id: entityId('button'),
  device_class: z.enum(['identify', 'restart', 'update']).optional(),
  payload_press: text.optional(),
})

const switchable = z.strictObject({
  ...stateful,
  ...commanded,
  state_topic: topic.optional(),
  platform: z.literal('switch'),
  default_entity_id: entityId('switch'),
  device_class: z.enum(['outlet', 'switch']).optional(),
  optimistic: z.boolean().optional(),
  payload_off: text.optional(),
  payload_on: text.optional(),
})

const select = z.strictObject({
  ...stateful,
  ...commanded,
  state_topic: topic.optional(),
  platform: z.literal('select'),
  default_entity_id: entityId('select'),
  optimistic: z.boolean().optional(),
  options: z.array(text).min(1),
})

const numeric = z.strictObject({
  ...stateful,
  ...commanded,
  state_topic: topic.optional(),
  platform: z.literal('number'),
  default_entity_id: entityId('number'),
  min: z.number().optional(),
  max: z.number().optional(),
  step: z.number().min(0.001).optional(),
  mode: z.enum(['auto', 'box', 'slider']).optional(),
  optimistic: z.boolean().optional(),
  unit_of_measurement: text.optional(),
})

/** Without `command_topic` it only shows versions. */
const update = z.strictObject({
  ...stateful,
  platform: z.literal('update'),
  default_entity_id: entityId('update'),
  command_topic: topic.optional(),
  device_class: z.enum(['firmware']).optional(),
  latest_version_template: template.optional(),
  latest_version_topic: topic.optional(),
  payload_install: text.optional(),
  release_summary: text.max(255).optional(),
  release_url: z.url().optional(),
  title: text.optional(),
})

const component = z
  .discriminatedUnion('platform', [
    camera,
    binarySensor,
    sensor,
    event,
    button,
    switchable,
    select,
    numeric,
    update,
  ])
  .refine((one) => !(one.availability && one.availability_topic), 'availability or availability_topic')
  .refine(
    (one) => one.default_entity_id === `${one.platform}.${one.object_id}`,
    'one entity id for all versions',
  )

/** The payload of `<discovery_prefix>/device/<object_id>/config`. */
export const DeviceDiscovery = z.strictObject({
  device,
  origin,
  components: z.record(text, component),
  availability: common.availability,
  availability_mode: common.availability_mode,
  availability_template: common.availability_template,
  availability_topic: common.availability_topic,
  state_topic: topic.optional(),
  command_topic: topic.optional(),
  qos: qos.optional(),
  encoding: common.encoding,
})
export type DeviceDiscovery = z.infer<typeof DeviceDiscovery>

/** `<discovery_prefix>/<component>/[<node_id>/]<object_id>/config`, which Home Assistant subscribes to with `+`. */
export const DISCOVERY_TOPIC = /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/

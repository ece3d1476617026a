import { topics } from '#bus/topics.ts'
import type { Control } from '#commands/controls.ts'
import { controlEntities } from './controls.ts'
import type { At, Entity, WhileUp } from './entity.ts'

export interface Scope {
  /** `bus.prefix` */
  prefix: string
  /** Topic on which a bridge publishes whether it is connected to the robot, `1` or `0`. */
  reachableTopic: string | null
  controls: readonly Control[]
  /** The robot has a microphone. */
  hasAudio: boolean
  /** The robot has a speaker. */
  hasSpeaker: boolean
}

/** Entities of the robot in Home Assistant, by key. */
export function entities({
  prefix,
  reachableTopic,
  controls,
  hasAudio,
  hasSpeaker,
}: Scope): Record<string, Entity> {
  const at = (name: string) => `${prefix}/${name}`
  // the last will of each service sets its state to offline
  const whileUp = (...services: string[]) => [
    ...services.map((service) => ({
      topic: at(topics.serviceState.name({ service })),
      value_template: '{{ value_json.state }}',
    })),
    ...(reachableTopic === null ? [] : [{ topic: reachableTopic, ...NOTIFICATION }]),
  ]
  return {
    ...ofDog(at, whileUp),
    ...controlEntities(
      controls.filter((control) => hasSpeaker || control !== 'volume'),
      at,
      whileUp,
    ),
    ...ofEvents(at, whileUp),
    ...ofRobot(at, whileUp),
    ...ofReadings(at, whileUp, hasAudio),
    ...ofVideo(at, whileUp),
    software: softwareUpdate(at, whileUp),
  }
}

/** Payloads of Mosquitto's bridge notifications (mosquitto.conf(5)). */
const NOTIFICATION = { payload_available: '1', payload_not_available: '0' }

function ofDog(at: At, whileUp: WhileUp): Record<string, Entity> {
  return {
    camera: {
      platform: 'camera',
      name: 'Camera',
      topic: at(topics.frame.name()),
      availability: whileUp('vision'),
    },
    dog_present: {
      platform: 'binary_sensor',
      name: 'Dog present',
      device_class: 'occupancy',
      state_topic: at(topics.dog.name()),
      value_template: "{{ 'None' if value_json.present is none else 'ON' if value_json.present else 'OFF' }}",
      qos: 1,
      availability: whileUp('homeassistant', 'vision'),
    },
    last_seen: {
      platform: 'sensor',
      name: 'Dog last seen',
      device_class: 'timestamp',
      state_topic: at(topics.dog.name()),
      value_template: '{{ value_json.last_seen }}',
      qos: 1,
      availability: whileUp('homeassistant'),
    },
  }
}

/** Their payloads have the form that Home Assistant expects, so they need no template. */
function ofEvents(at: At, whileUp: WhileUp): Record<string, Entity> {
  const event = (key: string, name: string, icon: string, event_types: string[], ...services: string[]) => ({
    platform: 'event' as const,
    name,
    icon,
    event_types,
    state_topic: at(topics.happening.name({ name: key })),
    qos: 1,
    availability: whileUp('homeassistant', ...services),
  })
  return {
    dog: event('dog', 'Dog', 'mdi:dog', ['seen', 'left'], 'vision'),
    zone: event('zone', 'Zone', 'mdi:map-marker', ['entered', 'left'], 'vision'),
    bark: event('bark', 'Bark', 'mdi:dog-side', ['bark']),
    command: {
      ...event('command', 'Command', 'mdi:checkbox-marked-circle-outline', ['done', 'failed']),
      entity_category: 'diagnostic',
    },
  }
}

function ofRobot(at: At, whileUp: WhileUp): Record<string, Entity> {
  return {
    viewers: {
      platform: 'sensor',
      name: 'Viewers',
      icon: 'mdi:eye',
      state_class: 'measurement',
      state_topic: at(topics.sessions.name()),
      value_template: "{{ value_json | selectattr('state', 'eq', 'connected') | list | count }}",
      availability: whileUp('webrtc'),
    },
    link: {
      platform: 'binary_sensor',
      name: 'Cloud link',
      device_class: 'connectivity',
      entity_category: 'diagnostic',
      state_topic: at(topics.link.name()),
      value_template: "{{ 'ON' if value_json.connected else 'OFF' }}",
      qos: 1,
      availability: whileUp('relay-bridge'),
    },
    battery: {
      platform: 'sensor',
      name: 'Battery',
      device_class: 'battery',
      unit_of_measurement: '%',
      state_class: 'measurement',
      entity_category: 'diagnostic',
      state_topic: at(topics.telemetry.name({ source: 'battery' })),
      value_template: BATTERY,
      availability: whileUp('homeassistant'),
    },
  }
}

function ofReadings(at: At, whileUp: WhileUp, hasAudio: boolean): Record<string, Entity> {
  const reading = (field: string, name: string, options: Partial<Entity>): Entity => ({
    platform: 'sensor',
    name,
    state_class: 'measurement',
    ...options,
    state_topic: at(topics.readings.name()),
    value_template: `{{ value_json.${field} }}`,
    qos: 1,
    availability: whileUp('homeassistant'),
  })
  const entity_category = 'diagnostic'
  return {
    treats_left: reading('treats_left', 'Treats left', { icon: 'mdi:bone' }),
    temperature: reading('temperature', 'Processor temperature', {
      ...{ device_class: 'temperature', unit_of_measurement: '°C', entity_category },
    }),
    wifi_signal: reading('wifi_signal', 'Wi-Fi signal', {
      ...{ device_class: 'signal_strength', unit_of_measurement: 'dBm', entity_category },
    }),
    ...(hasAudio && {
      sound_level: {
        ...reading('sound_level', 'Sound level', { icon: 'mdi:volume-high', unit_of_measurement: 'dBFS' }),
        availability: whileUp('homeassistant', 'audio'),
      },
    }),
    storage_free: reading('storage_free', 'Free storage', {
      ...{ device_class: 'data_size', unit_of_measurement: 'GB', entity_category },
    }),
  }
}

function ofVideo(at: At, whileUp: WhileUp): Record<string, Entity> {
  const common = {
    platform: 'sensor' as const,
    state_class: 'measurement',
    entity_category: 'diagnostic',
    state_topic: at(topics.visionState.name()),
    availability: whileUp('vision'),
  }
  return {
    fps: {
      ...common,
      name: 'Camera frame rate',
      icon: 'mdi:filmstrip',
      unit_of_measurement: 'fps',
      value_template: FRAME_RATE,
    },
    picture_age: {
      ...common,
      name: 'Picture age',
      device_class: 'duration',
      unit_of_measurement: 'ms',
      value_template: PICTURE_AGE,
    },
  }
}

/** Without a command: the robot is updated on the robot. Its state is unknown until a newest version is reported. */
function softwareUpdate(at: At, whileUp: WhileUp): Entity {
  return {
    platform: 'update',
    name: 'Software',
    title: 'WIM-Z robot',
    device_class: 'firmware',
    entity_category: 'diagnostic',
    state_topic: at(topics.serviceState.name({ service: 'homeassistant' })),
    value_template: '{{ value_json.version }}',
    latest_version_topic: at(topics.telemetry.name({ source: 'software' })),
    latest_version_template: LATEST_VERSION,
    availability: whileUp('homeassistant'),
  }
}

/** Home Assistant ignores an empty text; a reading that is withdrawn changes nothing. */
const LATEST_VERSION = "{% set told = value_json | default({}) %}{{ told.get('latest_version') or '' }}"

/** Details are missing while the service starts. */
const FRAME_RATE =
  '{% set fps = value_json.fps | default(none) %}{{ none if fps is none else fps | round | int }}'

/** Median: encoded where a viewer watches, else as it comes from the camera. */
const PICTURE_AGE = [
  '{% set ages = value_json.latency_ms | default({}) %}',
  "{% set age = ages.get('encode') or ages.get('capture') %}",
  '{{ age.p50 | round | int if age else none }}',
].join('')

/** Percent as in the `status` event: as reported, else from 12 to 16.8 V; unknown for an empty reading. */
const BATTERY = [
  '{% set told = value_json | default({}) %}',
  '{% set percent = told.battery if told.battery is number else told.level if told.level is number',
  ' else (told.voltage - 12) / 4.8 * 100 if told.voltage is number else none %}',
  '{{ none if percent is none else ([0, [percent, 100] | min] | max) | round(1) }}',
].join('')

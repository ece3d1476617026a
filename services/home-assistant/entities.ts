import { topics } from '#bus/topics.ts'

/** Platform of an entity and its options (home-assistant.io, MQTT camera, sensor, binary sensor). */
interface Entity extends Record<string, unknown> {
  platform: 'camera' | 'binary_sensor' | 'sensor'
}

/** Entities of the robot in Home Assistant, by key. */
export function entities(prefix: string, reachableTopic: string | null): Record<string, Entity> {
  const at = (name: string) => `${prefix}/${name}`
  // the last will of each service sets its state to offline
  const whileUp = (...services: string[]) => [
    ...services.map((service) => ({
      topic: at(topics.serviceState.name({ service })),
      value_template: '{{ value_json.state }}',
    })),
    ...(reachableTopic === null ? [] : [{ topic: reachableTopic, ...NOTIFICATION }]),
  ]
  return { ...ofCamera(at, whileUp), ...ofRobot(at, whileUp) }
}

/** Payloads of Mosquitto's bridge notifications (mosquitto.conf(5)). */
const NOTIFICATION = { payload_available: '1', payload_not_available: '0' }

type At = (name: string) => string
type WhileUp = (...services: string[]) => object[]

function ofCamera(at: At, whileUp: WhileUp): Record<string, Entity> {
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

/** Percent as in the `status` event: as reported, else from 12 to 16.8 V; unknown for an empty reading. */
const BATTERY = [
  '{% set told = value_json | default({}) %}',
  '{% set percent = told.battery if told.battery is number else told.level if told.level is number',
  ' else (told.voltage - 12) / 4.8 * 100 if told.voltage is number else none %}',
  '{{ none if percent is none else ([0, [percent, 100] | min] | max) | round(1) }}',
].join('')

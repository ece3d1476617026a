import { topics } from '#bus/topics.ts'
import type { Control } from '#commands/controls.ts'
import type { At, Entity, WhileUp } from './entity.ts'

/** A command of the robot, or `restart`, which asks the services themselves. */
export interface Request {
  name: string
  params: Record<string, unknown>
}

interface ControlSpec {
  /** Options of the entity, but topics and availability. */
  entity: Entity
  /** Services that execute it; empty: one that is not of this stack. */
  services: readonly string[]
  /** Topic of its state, where it has one. */
  state?: string
  /** The request of a payload; undefined for a payload that is none of the entity's. */
  request(payload: string): Request | undefined
}

const PRESS = 'PRESS'
/** As `telemetry/mode` names them. */
const MODES = ['idle', 'silent_guardian', 'coach', 'mission', 'manual']
const QUALITIES = ['auto', 'low', 'medium', 'high']

const CONTROL_SPECS: Readonly<Record<Control, ControlSpec>> = {
  stop: button('Stop', 'mdi:stop-circle', 'emergency_stop'),
  photo: button('Take photo', 'mdi:camera', 'take_photo', 'vision'),
  treat: button('Give treat', 'mdi:bone', 'treat'),
  mode: {
    ...select('set_mode', 'mode', MODES, { name: 'Mode', icon: 'mdi:robot' }),
    state: topics.telemetry.name({ source: 'mode' }),
  },
  overlay: toggle('Overlay', 'mdi:vector-square', 'set_overlay', 'value_json.overlay'),
  detector: toggle(
    'Detector',
    'mdi:eye-check',
    'set_detector',
    "(value_json.detector | default({})).get('enabled')",
  ),
  privacy: {
    entity: {
      platform: 'switch',
      name: 'Privacy',
      icon: 'mdi:eye-off',
      value_template: "{{ 'ON' if value_json.enabled else 'OFF' }}",
      qos: 1,
    },
    services: ['vision'],
    state: topics.privacy.name(),
    request: onOff('set_privacy'),
  },
  quality: {
    ...select('set_video_quality', 'quality', QUALITIES, {
      ...{ name: 'Video quality', icon: 'mdi:quality-high', entity_category: 'config' },
    }),
    state: topics.webrtcState.name(),
    services: ['webrtc'],
  },
  volume: {
    entity: {
      platform: 'number',
      name: 'Volume',
      icon: 'mdi:volume-high',
      entity_category: 'config',
      ...{ min: 0, max: 100, step: 1, mode: 'slider', unit_of_measurement: '%' },
      value_template: "{{ (value_json | default({})).get('volume') }}",
    },
    services: ['audio'],
    state: topics.telemetry.name({ source: 'audio' }),
    request: (payload) =>
      /^\d{1,3}$/.test(payload) && Number(payload) <= 100
        ? { name: 'audio_volume', params: { volume: Number(payload) } }
        : undefined,
  },
  restart: {
    entity: {
      platform: 'button',
      name: 'Restart services',
      device_class: 'restart',
      entity_category: 'config',
    },
    services: [],
    request: (payload) => (payload === PRESS ? { name: 'restart', params: {} } : undefined),
  },
}

/** The entities of these controls, by key. */
export function controlEntities(
  controls: readonly Control[],
  at: At,
  whileUp: WhileUp,
): Record<string, Entity> {
  const shown = Object.entries(CONTROL_SPECS).filter(([control]) => controls.includes(control as Control))
  return Object.fromEntries(
    shown.map(([control, { entity, services, state }]) => [
      control,
      {
        ...entity,
        command_topic: at(topics.control.name({ control })),
        ...(state === undefined ? {} : { state_topic: at(state) }),
        availability: whileUp('homeassistant', ...services),
      },
    ]),
  )
}

/** The request of a control that is used; undefined for an invalid payload. */
export function requestOf(control: Control, payload: string): Request | undefined {
  return CONTROL_SPECS[control].request(payload)
}

function button(name: string, icon: string, command: string, ...services: string[]): ControlSpec {
  return {
    entity: { platform: 'button', name, icon },
    services,
    request: (payload) => (payload === PRESS ? { name: command, params: {} } : undefined),
  }
}

/** `enabled` is an expression of the state of vision. */
function toggle(name: string, icon: string, command: string, enabled: string): ControlSpec {
  const value_template = `{% set on = ${enabled} | default(none) %}{{ none if on is none else 'ON' if on else 'OFF' }}`
  return {
    entity: { platform: 'switch', name, icon, entity_category: 'config', value_template },
    services: ['vision'],
    state: topics.visionState.name(),
    request: onOff(command),
  }
}

function onOff(command: string): ControlSpec['request'] {
  return (payload) =>
    payload === 'ON' || payload === 'OFF'
      ? { name: command, params: { enabled: payload === 'ON' } }
      : undefined
}

/** `field` holds the option in the state. One that is not listed is unknown: Home Assistant would log it as an error. */
function select(command: string, field: string, options: string[], more: Partial<Entity>): ControlSpec {
  const list = options.map((option) => `'${option}'`).join(', ')
  const value_template = `{% set option = (value_json | default({})).get('${field}') %}{{ option if option in [${list}] else none }}`
  return {
    entity: { platform: 'select', ...more, options, value_template },
    services: [],
    request: (mode) => (options.includes(mode) ? { name: command, params: { mode } } : undefined),
  }
}

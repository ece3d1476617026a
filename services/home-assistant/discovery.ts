import { VERSION } from '#lib/version.ts'
import { entities, type Scope } from './entities.ts'

interface Robot extends Partial<Omit<Scope, 'prefix'>> {
  /** Its id at the relay; empty when it has none. */
  deviceId: string
  /** Display name. */
  name: string
  /** `bus.prefix`. */
  prefix: string
}

/** The id of the robot as a level of Home Assistant's discovery topic, which takes letters, digits, `_` and `-`. */
export function objectId({ deviceId, prefix }: Pick<Robot, 'deviceId' | 'prefix'>): string {
  return (deviceId || prefix).replace(/[^a-zA-Z0-9_-]/g, '_')
}

/**
 * The device and its entities for `<discovery_prefix>/device/<id>/config` (home-assistant.io, MQTT, "Device discovery
 * payload"). Templates read the robot's own topics where these suffice.
 */
export function deviceDiscovery(robot: Robot): Record<string, unknown> {
  const id = objectId(robot)
  const scope = { reachableTopic: null, controls: [], hasAudio: false, hasSpeaker: false, ...robot }
  const components = Object.entries(entities(scope)).map(([key, component]) => {
    const name = `${entityName(id)}_${key}`
    const ids = {
      unique_id: `${id}_${key}`,
      // 2025.10 and later read the first, older ones the second
      default_entity_id: `${component.platform}.${name}`,
      object_id: name,
    }
    return [key, { ...component, ...ids }]
  })
  return {
    device: {
      identifiers: [id],
      name: robot.name,
      manufacturer: 'WIM-Z',
      model: 'WIM-Z robot',
      sw_version: VERSION,
    },
    origin: { name: 'wimz-robot-stack', sw_version: VERSION },
    availability_mode: 'all',
    components: Object.fromEntries(components),
  }
}

/** Entity ids are lower case. */
function entityName(id: string): string {
  return id.toLowerCase().replaceAll('-', '_')
}

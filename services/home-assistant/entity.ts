/**
 * Platform of an entity and its options (home-assistant.io, MQTT camera, sensor, binary sensor, event, button, switch, select,
 * number, update).
 */
export interface Entity extends Record<string, unknown> {
  platform:
    | 'camera'
    | 'binary_sensor'
    | 'sensor'
    | 'event'
    | 'button'
    | 'switch'
    | 'select'
    | 'number'
    | 'update'
}

/** Name of a topic with the prefix. */
export type At = (name: string) => string
/** `availability` of an entity that needs these services. */
export type WhileUp = (...services: string[]) => object[]

import { eventFrame, plainEventFrame, withoutPasswords } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'
import { batteryPercent, type Fields } from './status.ts'

/** The latest telemetry of one source. */
export interface Reading {
  fields: Fields
  /** A UUID: the relay stores a repetition of the same reading once. */
  id: string
  /** When it arrived, ms since the epoch. */
  at: number
}

interface SnapshotOptions {
  deviceId: string
  /** Include the hotspot's password in `network_state`, which any account can read (docs/relay-protocol.md, relay to robot). */
  shareHotspotPassword: boolean
}

/**
 * The frames for an app that connects, or after a registration: mode, battery, network, each if a service has reported
 * it. The `status` event follows.
 */
export function snapshotFrames(
  readings: ReadonlyMap<string, Reading>,
  { deviceId, shareHotspotPassword }: SnapshotOptions,
): Frame[] {
  const frames: Frame[] = []
  const [mode, battery, network] = ['mode', 'battery', 'network_state'].map((name) => readings.get(name))
  if (typeof mode?.fields.mode === 'string') {
    frames.push(eventFrame('mode_changed', mode.fields, { deviceId, id: mode.id, at: mode.at }))
  }
  const level = battery && batteryPercent(battery.fields)
  if (typeof level === 'number') {
    const { battery: _, mode: own, ...fields } = battery?.fields ?? {}
    const reported = { ...fields, level, mode: own ?? mode?.fields.mode ?? null }
    frames.push(plainEventFrame('battery', reported, { deviceId, at: Date.now() }))
  }
  if (network) {
    const fields = shareHotspotPassword ? network.fields : withoutPasswords(network.fields)
    frames.push(plainEventFrame('network_state', fields, { deviceId, at: Date.now() }))
  }
  return frames
}

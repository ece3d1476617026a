import { eventFrame, plainEventFrame, withoutPasswords } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'
import { batteryPercent, type Fields } from './status.ts'

/** What one source of telemetry said last. */
export interface Report {
  fields: Fields
  /** A uuid of this report: the same news said again is no second entry of the relay's history. */
  id: string
  /** When it came, ms since the epoch. */
  at: number
}

interface SnapshotOptions {
  deviceId: string
  /** The hotspot's password goes out with `network_state`: off, since strangers may read it (API_CONTRACT 8). */
  shareHotspotPassword: boolean
}

/**
 * What an app must know at once when it or the robot comes, in the order of API_CONTRACT 4.1: mode, battery, network;
 * what nobody has told is left out. The `status` event follows it.
 */
export function snapshotFrames(
  reports: ReadonlyMap<string, Report>,
  { deviceId, shareHotspotPassword }: SnapshotOptions,
): Frame[] {
  const frames: Frame[] = []
  const [mode, battery, network] = ['mode', 'battery', 'network_state'].map((name) => reports.get(name))
  if (typeof mode?.fields.mode === 'string') {
    frames.push(eventFrame('mode_changed', mode.fields, { deviceId, id: mode.id, at: mode.at }))
  }
  const level = battery && batteryPercent(battery.fields)
  if (typeof level === 'number') {
    const { battery: _, mode: own, ...fields } = battery?.fields ?? {}
    const said = { ...fields, level, mode: own ?? mode?.fields.mode ?? null }
    frames.push(plainEventFrame('battery', said, { deviceId, at: Date.now() }))
  }
  if (network) {
    const fields = shareHotspotPassword ? network.fields : withoutPasswords(network.fields)
    frames.push(plainEventFrame('network_state', fields, { deviceId, at: Date.now() }))
  }
  return frames
}

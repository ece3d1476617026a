import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Link } from './relay-connection.ts'

/**
 * Stays off the relay while the robot is its own hotspot, as retained `telemetry/network_state` tells, and dials at
 * once when that ends (FIELD_FAILURES A13, API_CONTRACT 4.3 P26).
 */
export async function followHotspot(bus: Bus, link: Pick<Link, 'pause' | 'send'>): Promise<void> {
  await bus.subscribe(topics.telemetry, (state) => link.pause(state?.mode === 'ap'), {
    source: 'network_state',
  })
}

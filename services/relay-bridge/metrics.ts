import type { RelayConnectionState } from '#bus/messages.ts'
import { Counter, Gauge, type Registry } from '#lib/metrics/prometheus.ts'

/** Returns a function that records each state of the relay connection. */
export function createMetrics(registry: Registry): (state: RelayConnectionState) => void {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  const connected = gauge('wimz_relay_connected', '1 while registered with the relay')
  const app = gauge('wimz_app_present', '1 while the relay reports a connected app')
  const depth = gauge('wimz_outbox_depth', 'Events that wait for the relay')
  const dropped = gauge('wimz_outbox_dropped', 'Events dropped because the outbox was full')
  const registrations = counter('wimz_relay_registrations_total', 'Registrations with the relay')
  const refusals = counter('wimz_relay_refusals_total', 'Attempts that the relay refused')
  let last: RelayConnectionState['state'] | undefined
  return (state) => {
    connected.set(state.connected ? 1 : 0)
    app.set(state.app_present ? 1 : 0)
    depth.set(state.outbox.depth)
    dropped.set(state.outbox.dropped)
    if (state.state === last) return
    if (state.state === 'online') registrations.inc()
    if (state.state === 'auth_failed') refusals.inc()
    last = state.state
  }
}

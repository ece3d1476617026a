import { Counter, Gauge, type Registry } from 'prom-client'
import type { RelayConnectionState } from '#bus/messages.ts'

/** Takes in every state of the link; see `relay-bridge/link`. */
export function createMetrics(registry: Registry): (link: RelayConnectionState) => void {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const connected = gauge('wimz_relay_connected', '1 while the relay knows us')
  const app = gauge('wimz_app_present', '1 while the relay says that an app is there')
  const depth = gauge('wimz_outbox_depth', 'Events that wait for the relay')
  const dropped = gauge('wimz_outbox_dropped', 'Events that the full outbox has dropped')
  const registrations = new Counter({
    name: 'wimz_relay_registrations_total',
    help: 'Times that the relay began to know us',
    registers,
  })
  const refusals = new Counter({
    name: 'wimz_relay_refusals_total',
    help: 'Times that the relay refused our credentials',
    registers,
  })
  let last: RelayConnectionState['state'] | undefined
  return (link) => {
    connected.set(link.connected ? 1 : 0)
    app.set(link.app_present ? 1 : 0)
    depth.set(link.outbox.depth)
    dropped.set(link.outbox.dropped)
    if (link.state === last) return
    if (link.state === 'online') registrations.inc()
    if (link.state === 'auth_failed') refusals.inc()
    last = link.state
  }
}

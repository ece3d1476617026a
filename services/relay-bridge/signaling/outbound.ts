import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Link } from '../connection/relay-connection.ts'

interface ToRelayDeps {
  bus: Bus
  link: () => Pick<Link, 'send'> | undefined
  deviceId: string
  tally: EventCounter
}

/** The mapping table from messages on the bus to frames for the relay. Signalling is never kept for later. */
export async function forwardToRelay({ bus, link, deviceId, tally }: ToRelayDeps): Promise<void> {
  const send = (type: string, frame: Record<string, unknown>) => {
    if (!link()?.send({ type, device_id: deviceId, ...frame })) tally.count(type)
  }
  await bus.subscribe(topics.offer, ({ session_id, sdp }) => send('webrtc_offer', { session_id, sdp }))
  await bus.subscribe(topics.localCandidate, ({ session_id, candidate }) =>
    send('webrtc_ice', { session_id, candidate }),
  )
  await bus.subscribe(topics.closed, ({ session_id, reason, by }) => {
    // an echo of the viewer's own close would end the session that it asks for next (API_CONTRACT 8)
    if (by === 'robot') send('webrtc_close', { session_id, reason })
  })
  await bus.subscribe(topics.error, ({ session_id, error }) => send('webrtc_error', { session_id, error }))
}

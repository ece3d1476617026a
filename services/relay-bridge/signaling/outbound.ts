import type { Bus } from '#bus/bus.ts'
import { OFFER_REFUSALS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Frame } from '../protocol/frame.ts'

interface OutboundDeps {
  bus: Bus
  connection: { send(frame: Frame): boolean }
  deviceId: string
  log: Logger
  /** Counts frames without a connection. */
  discarded: EventCounter
}

/** Sends signaling messages of the bus to the relay; without a connection they are discarded. */
export async function forwardToRelay({
  bus,
  connection,
  deviceId,
  log,
  discarded,
}: OutboundDeps): Promise<void> {
  const send = (type: string, frame: Frame) => {
    if (!connection.send({ type, device_id: deviceId, ...frame })) discarded.count(type)
  }
  await Promise.all([
    bus.subscribe(topics.offer, ({ session_id, sdp }) => send('webrtc_offer', { session_id, sdp })),
    bus.subscribe(topics.localCandidate, ({ session_id, candidate }) =>
      send('webrtc_ice', { session_id, candidate }),
    ),
    bus.subscribe(topics.closed, ({ session_id, reason, by }) => {
      // an echo of the viewer's own close would end its next session, which has the same id
      if (by === 'robot') send('webrtc_close', { session_id, reason })
    }),
    bus.subscribe(topics.error, ({ session_id, code, error }) =>
      send('webrtc_error', {
        session_id,
        error,
        ...(OFFER_REFUSALS.some((one) => one === code) ? { code } : {}),
      }),
    ),
    bus
      .subscribe(topics.whepAnswer, ({ session_id, sdp }) => send('webrtc_answer', { session_id, sdp }))
      .catch((err: unknown) => log.warn({ err }, 'no answers to WHEP players')), // rights of an older version
  ])
}

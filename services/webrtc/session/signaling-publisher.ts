import type { Bus } from '#bus/bus.ts'
import type { OfferRefusal } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { LocalCandidate } from '../peer/peer.ts'
import { ERRORS, REASON } from './close-reasons.ts'

/** Publishes the signaling messages of one session. A publish fails only while the bus is closing. */
export interface SignalingPublisher {
  offer(sdp: string): void
  /** To a viewer that offers. */
  answer(sdp: string): void
  /** The offer of a viewer, or its ICE restart, is refused. */
  refused(code: OfferRefusal, error: string): void
  candidate(candidate: LocalCandidate): void
  closed(reason: string, by: 'viewer' | 'robot'): void
}

export function createSignalingPublisher(bus: Bus, log: Logger, session_id: string): SignalingPublisher {
  const logFailure = (published: Promise<void>) => {
    published.catch((err: unknown) => log.warn({ err }, 'signaling message not published'))
  }
  return {
    offer: (sdp) => logFailure(bus.publish(topics.offer, { session_id, sdp: { type: 'offer', sdp } })),
    answer: (sdp) => logFailure(bus.publish(topics.whepAnswer, { session_id, sdp: { type: 'answer', sdp } })),
    refused: (code, error) => logFailure(bus.publish(topics.error, { session_id, code, error })),
    candidate: (candidate) => logFailure(bus.publish(topics.localCandidate, { session_id, candidate })),
    closed(reason, by) {
      const error = ERRORS[reason]
      if (error) logFailure(bus.publish(topics.error, { session_id, code: reason, error }))
      // the id of a superseded session belongs to its successor by now: the relay would close that one
      if (reason !== REASON.superseded) logFailure(bus.publish(topics.closed, { session_id, reason, by }))
    },
  }
}

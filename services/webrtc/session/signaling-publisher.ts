import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { LocalCandidate } from '../peer/peer.ts'
import { ERRORS, REASON } from './close-reasons.ts'

/** Publishes the signaling messages of one session. A publish fails only while the bus is closing. */
export interface SignalingPublisher {
  offer(sdp: string): void
  candidate(candidate: LocalCandidate): void
  closed(reason: string, by: 'viewer' | 'robot'): void
}

export function createSignalingPublisher(bus: Bus, log: Logger, session_id: string): SignalingPublisher {
  const logFailure = (published: Promise<void>) => {
    published.catch((err: unknown) => log.warn({ err }, 'signaling message not published'))
  }
  return {
    offer: (sdp) => logFailure(bus.publish(topics.offer, { session_id, sdp: { type: 'offer', sdp } })),
    candidate: (candidate) => logFailure(bus.publish(topics.localCandidate, { session_id, candidate })),
    closed(reason, by) {
      const error = ERRORS[reason]
      if (error) logFailure(bus.publish(topics.error, { session_id, code: reason, error }))
      // the id of a superseded session belongs to its successor by now: the relay would close that one
      if (reason !== REASON.superseded) logFailure(bus.publish(topics.closed, { session_id, reason, by }))
    },
  }
}

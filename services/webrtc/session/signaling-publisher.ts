import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { LocalCandidate } from '../peer/peer.ts'
import { ERRORS, REASON } from './close-reasons.ts'

/** What one session says to its viewer by way of the relay. Nobody waits for it: it fails only while the bus is closing. */
export interface SessionMail {
  offer(sdp: string): void
  candidate(candidate: LocalCandidate): void
  closed(reason: string, by: 'viewer' | 'robot'): void
}

export function createMail(bus: Bus, log: Logger, session_id: string): SessionMail {
  const tell = (sent: Promise<void>) => {
    sent.catch((err: unknown) => log.warn({ err }, 'not sent'))
  }
  return {
    offer: (sdp) => tell(bus.publish(topics.offer, { session_id, sdp: { type: 'offer', sdp } })),
    candidate: (candidate) => tell(bus.publish(topics.localCandidate, { session_id, candidate })),
    closed(reason, by) {
      const error = ERRORS[reason]
      if (error) tell(bus.publish(topics.error, { session_id, code: reason, error }))
      // the id of a superseded session belongs to its successor by now, which the relay would close instead
      if (reason !== REASON.superseded) tell(bus.publish(topics.closed, { session_id, reason, by }))
    },
  }
}

import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { REASON } from './close-reasons.ts'
import type { Sessions } from './sessions.ts'

/** Passes each signaling message to its session. Requests are subscribed last, when all the others are received. */
export async function subscribeSignaling(
  bus: Bus,
  sessions: Sessions,
  log: Logger,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const use = async (subscribed: Promise<Disposable>) => stack.use(await subscribed)
  await use(bus.subscribe(topics.answer, ({ session_id, sdp }) => sessions.get(session_id)?.answer(sdp.sdp)))
  await use(
    bus.subscribe(topics.remoteCandidate, ({ session_id, candidate }) =>
      sessions.get(session_id)?.candidate(candidate),
    ),
  )
  await use(
    bus.subscribe(topics.close, ({ session_id }) =>
      sessions.get(session_id)?.close(REASON.viewerLeft, { by: 'viewer' }),
    ),
  )
  await use(
    bus.subscribe(topics.whepRestart, ({ session_id, sdp }) => sessions.restart(session_id, sdp.sdp)),
  ).catch((err: unknown) => log.warn({ err }, 'no ICE restarts of WHEP players')) // rights of an older version
  await use(
    bus.subscribe(topics.request, ({ session_id, ice_servers, offer, talk, role }) =>
      sessions.request(session_id, ice_servers, { offer: offer?.sdp, talk, watchOnly: role === 'watch' }),
    ),
  )
  return stack.move()
}

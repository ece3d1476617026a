import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { REASON } from './close-reasons.ts'
import type { Sessions } from './sessions.ts'

/** Hands what the relay says to the session that it is about, if there is one. */
export async function followSignalling(bus: Bus, sessions: Sessions): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const on = async (subscribed: Promise<Disposable>) => stack.use(await subscribed)
  await on(bus.subscribe(topics.answer, ({ session_id, sdp }) => sessions.get(session_id)?.answer(sdp.sdp)))
  await on(
    bus.subscribe(topics.remoteCandidate, ({ session_id, candidate }) =>
      sessions.get(session_id)?.candidate(candidate),
    ),
  )
  await on(
    bus.subscribe(topics.close, ({ session_id }) =>
      sessions.get(session_id)?.close(REASON.viewerLeft, { by: 'viewer' }),
    ),
  )
  await on(
    bus.subscribe(topics.request, ({ session_id, ice_servers }) => sessions.request(session_id, ice_servers)),
  )
  return stack.move()
}

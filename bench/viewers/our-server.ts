import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { GoTool } from './go-tool.ts'

/** What serves the receivers, by its processes. */
export interface Server {
  pids: ReadonlyMap<string, number>
  connect(id: string): Promise<void>
}

/** Answers the offers of our stack. */
export async function ourServer(
  { bus, pids }: { bus: Bus; pids: ReadonlyMap<string, number> },
  receivers: GoTool,
): Promise<Server> {
  const offers = new Map<string, (sdp: string) => void>()
  await bus.subscribe(topics.offer, ({ session_id, sdp }) => offers.get(session_id)?.(sdp.sdp))
  return {
    pids,
    async connect(id) {
      const offered = new Promise<string>((resolve) => offers.set(id, resolve))
      await bus.publish(topics.request, { session_id: id, ice_servers: [] })
      const sdp = await receivers.describe(id, await offered)
      offers.delete(id)
      await bus.publish(topics.answer, { session_id: id, sdp: { type: 'answer', sdp } })
    },
  }
}

import type { Aedes, AedesPublishPacket, Client } from 'aedes'
import { encodePayload, toWire } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { ACTUATOR_COMMANDS } from '#commands/actuators.ts'
import { isDrive, isStopName } from '#commands/drive/drive.ts'

/** Clients of the services through which commands enter; no other user may have such an id. */
const ENTRANCE = /^(relay-bridge|webrtc|homeassistant)-/

interface Internals {
  clients: Readonly<Record<string, Client & { subscriptions: Record<string, unknown> }>>
  persistence: { subscriptionsByTopic(topic: string): Promise<{ clientId: string; topic: string }[]> }
}

/**
 * Answers a command on `command-result` when no client handles it, so that the app need not wait for the timeout of its
 * service. A handler is a client with a subscription below `command/`, also one whose session waits for it to reconnect;
 * a subscription to `#` only observes, and so do those of the services that forward commands.
 */
export function answerUnhandledCommands(aedes: Aedes, prefix: string): void {
  const { clients, persistence } = aedes as unknown as Internals
  const commands = `${prefix}/command/`
  const isHandled = async (topic: string, name: string) => {
    const stored = await persistence.subscriptionsByTopic(topic)
    const isHandler = (id: string, filter: string) =>
      filter.startsWith(commands) && (!ENTRANCE.test(id) || !isObserved(name))
    if (stored.some(({ clientId, topic: filter }) => isHandler(clientId, filter))) return true
    return Object.values(clients).some(({ id, subscriptions }) =>
      [topic, `${commands}+`, `${commands}#`].some(
        (filter) => filter in subscriptions && isHandler(id, filter),
      ),
    )
  }
  const answer = async ({ topic, payload }: AedesPublishPacket) => {
    const name = topic.slice(commands.length)
    if (await isHandled(topic, name)) return
    // a motor service may know the drive command alone; it has received the zero of this stop
    if (isStopName(name) && (await isHandled(`${commands}motor`, 'motor'))) return
    const id = idOf(payload)
    if (id === undefined) return
    const error = `no service on this robot handles ${name}`
    const result = encodePayload(topics.commandResult, { id, name, success: false, error })
    const to = toWire(topics.commandResult, prefix, topics.commandResult.name())
    aedes.publish({ cmd: 'publish', topic: to, payload: result, qos: 1, retain: false, dup: false }, () => {})
  }
  aedes.on('publish', (packet, client) => {
    if (!client || !packet.topic.startsWith(commands)) return
    const name = packet.topic.slice(commands.length)
    if (!isDrive(name) && !name.includes('/')) void answer(packet)
  })
}

/** Whether the services that forward commands subscribe to this one without handling it. */
function isObserved(name: string): boolean {
  return ACTUATOR_COMMANDS.has(name) || isStopName(name) || isDrive(name)
}

function idOf(payload: AedesPublishPacket['payload']): string | undefined {
  try {
    const { id } = JSON.parse(payload.toString())
    return typeof id === 'string' ? id : undefined
  } catch {
    return undefined // no command: nothing awaits an answer
  }
}

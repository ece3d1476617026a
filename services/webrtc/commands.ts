import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Tally } from '#lib/tally.ts'
import type { Channel } from './channel.ts'
import { type ControlMessage, parseControlMessage } from './control-message.ts'

/** Commands that wait for their result, over all viewers; the oldest is forgotten. */
const MAX_PENDING = 256
/** Messages a second that one viewer may send: a stick sends 50 at most. */
const MAX_RATE = 200

/** Takes what the viewers say on their data channels to the bus, and the results back. */
export interface Commands extends Disposable {
  /** A handler for the messages of one session. */
  handlerFor(sessionId: string): (text: string | undefined, channel: Channel) => void
}

interface Pending {
  channel: Channel
  id: string | number | undefined
}

interface CommandsDeps {
  bus: Bus
  log: Logger
  tally: Tally
}

export async function openCommands({ bus, log, tally }: CommandsDeps): Promise<Commands> {
  const pending = new Map<string, Pending>()

  const forward = (sessionId: string, message: ControlMessage & { kind: 'command' }, channel: Channel) => {
    const command = {
      id: randomUUID(),
      name: message.name,
      params: message.params,
      source: 'datachannel' as const,
      session_id: sessionId,
      received_at: Date.now(),
      ...(message.issuedAt === undefined ? {} : { issued_at: message.issuedAt }),
    }
    remember(pending, command.id, { channel, id: message.id })
    const published =
      message.name === 'motor'
        ? bus.publish(topics.motor, command)
        : bus.publish(topics.command, command, { name: message.name })
    published.catch((err: unknown) => log.warn({ err, command: message.name }, 'command not published'))
  }

  const results = await bus.subscribe(topics.commandResult, ({ id, name, ...result }) => {
    const asked = pending.get(id)
    if (!asked) return
    pending.delete(id)
    const echo = asked.id === undefined ? {} : { id: asked.id }
    asked.channel.send(JSON.stringify({ ...result, ...echo, type: 'command_ack', command: name }))
  })

  const handle = (sessionId: string, text: string | undefined, channel: Channel) => {
    const message = text === undefined ? undefined : parseControlMessage(text)
    if (!message) tally.count('control: not understood')
    else if (message.kind === 'ping') channel.send(JSON.stringify({ ...message.fields, type: 'pong' }))
    else forward(sessionId, message, channel)
  }
  return {
    handlerFor(sessionId) {
      const allow = createRateLimit(MAX_RATE)
      return (text, channel) => {
        if (allow()) handle(sessionId, text, channel)
        else tally.count('control: too many')
      }
    },
    [Symbol.dispose]: () => results[Symbol.dispose](),
  }
}

function remember(pending: Map<string, Pending>, id: string, entry: Pending): void {
  const [oldest] = pending.keys()
  if (pending.size >= MAX_PENDING && oldest !== undefined) pending.delete(oldest)
  pending.set(id, entry)
}

/** Lets `perSecond` calls through in any second that begins with one. */
function createRateLimit(perSecond: number): () => boolean {
  let from = Number.NEGATIVE_INFINITY
  let count = 0
  return () => {
    const now = performance.now()
    if (now - from >= 1_000) {
      from = now
      count = 0
    }
    return ++count <= perSecond
  }
}

import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { isDrive, isStop } from '#commands/drive/drive.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Channel, ChannelEvents } from '../peer/channel.ts'
import { type ControlMessage, parseControlMessage } from './control-message.ts'
import { type Driver, Driving } from './drive-arbiter.ts'
import { AwaitedResults } from './pending-commands.ts'

/** Messages a second that one viewer may send: a stick sends 50 at most. */
const MAX_RATE = 200

/** Takes what the viewers say on their data channels to the bus, and the results back. */
export interface Commands extends Disposable {
  /** What one session says, and its place among those who drive. */
  join(sessionId: string): Controls
}

/** The data channels of one session. */
export interface Controls {
  readonly driver: Driver
  readonly channel: ChannelEvents
}

type Message = ControlMessage & { kind: 'command' }

interface CommandsDeps {
  bus: Bus
  log: Logger
  tally: EventCounter
}

export async function openCommands({ bus, log, tally }: CommandsDeps): Promise<Commands> {
  const awaited = new AwaitedResults()
  const driving = await Driving.open(bus, tally)
  const forward = createForward({ bus, log, awaited })
  const results = await bus.subscribe(topics.commandResult, (result) => awaited.tell(result))

  const handle = (sessionId: string, driver: Driver, text: string | undefined, channel: Channel) => {
    const message = text === undefined ? undefined : parseControlMessage(text)
    if (!message) tally.count('control: not understood')
    else if (message.kind === 'ping') channel.send(JSON.stringify({ ...message.fields, type: 'pong' }))
    else forward(sessionId, driver, message, channel)
  }
  return {
    join(sessionId) {
      const allow = createRateLimit(MAX_RATE)
      const driver = driving.join(sessionId)
      const onText = (text: string | undefined, channel: Channel) => {
        // what stops the robot has no rate
        if (allow() || saysStop(text)) handle(sessionId, driver, text, channel)
        else tally.count('control: too many')
      }
      return { driver, channel: { onText, onClosed: () => driver.halt() } }
    },
    [Symbol.dispose]() {
      driving[Symbol.dispose]()
      results[Symbol.dispose]()
      awaited[Symbol.dispose]()
    },
  }
}

/** Hands a viewer's command over to the bus. */
function createForward({ bus, log, awaited }: Omit<CommandsDeps, 'tally'> & { awaited: AwaitedResults }) {
  return (sessionId: string, driver: Driver, message: Message, channel: Channel) => {
    const { name, params } = message
    const command = {
      id: randomUUID(),
      params,
      session_id: sessionId,
      received_at: Date.now(),
      ...(message.issuedAt === undefined ? {} : { issued_at: message.issuedAt }),
    }
    const refuse = (error: string) => awaited.tell({ id: command.id, name, success: false, error })
    const failed = (err: Error) => {
      log.warn({ err, command: name }, 'command not published')
      refuse(err.message)
    }
    // fifty a second: whoever wants an answer gives an id
    if (!isDrive(name) || message.id !== undefined) awaited.add(command.id, { channel, name, id: message.id })
    if (isDrive(name)) {
      driver.drive(command).then((reason) => reason && refuse(reason), failed)
      return
    }
    // before anything else, and on the one topic that motors must know
    if (isStop(name, params)) driver.stop({ ts: message.issuedAt, ...params })
    else if (!bus.connected) {
      // it would be carried out later, when nobody expects it
      refuse('the robot is starting again')
      return
    }
    bus.publish(topics.command, { ...command, name, source: 'datachannel' }, { name }).catch(failed)
  }
}

function saysStop(text: string | undefined): boolean {
  const message = text === undefined ? undefined : parseControlMessage(text)
  return message?.kind === 'command' && isStop(message.name, message.params)
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

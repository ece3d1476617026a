import type { Bus } from '#bus/bus.ts'
import type { CommandLimits } from '#commands/actuators.ts'
import type { AppConnection } from '#commands/app-connection.ts'
import { localClock } from '#commands/command-clock.ts'
import { isMessage } from '#commands/command-message.ts'
import { CommandPath } from '#commands/command-path.ts'
import { isObject } from '#lib/json-object.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { ChannelEvents } from '../peer/channel.ts'

/** Messages a second of one viewer: a stick sends 50 at most. */
const RATE = 200
/** Messages `talk` and `sound` of one viewer, each of which is answered: a page that presses and releases sends 15 a second. */
const [SOUND_BURST, SOUND_RATE] = [50, 25]
const MAX_BYTES = 16 * 1024

/** The entrance of commands over the viewers' data channels. */
export interface Controls extends Disposable {
  /** Adds the data channels of one session. */
  join(sessionId: string, options?: JoinOptions): SessionControl
}

/** The handlers are of messages that are no commands; each is one without its handler. */
interface JoinOptions {
  /** It may send no command but stop. */
  watchOnly?: boolean
  /** Another session drives, or none. */
  onDriver?: () => void
  talk?: ((message: Readonly<Record<string, unknown>>) => void) | undefined
  sound?: ((message: Readonly<Record<string, unknown>>) => void) | undefined
}

/** The data channels of one session. */
export interface SessionControl {
  readonly app: Pick<AppConnection, 'connected' | 'halt' | 'leave' | 'driving'>
  readonly channel: ChannelEvents
}

interface ControlsDeps {
  bus: Bus
  log: Logger
  discarded: EventCounter
  limits: CommandLimits
}

export async function openControls({ bus, log, discarded, limits }: ControlsDeps): Promise<Controls> {
  const members = new Map<AppConnection, () => void>()
  const onDriver = () => {
    for (const told of members.values()) told()
  }
  const path = new CommandPath({ bus, log, limits, source: 'datachannel', clock: localClock, onDriver })
  await path.listen()
  return {
    join(sessionId, { watchOnly = false, onDriver: told = () => {}, ...handlers } = {}) {
      const app = path.join({ sessionId, rate: RATE, watchOnly })
      members.set(app, told)
      const soundRate = new TokenBucket(SOUND_BURST, SOUND_RATE)
      const take = (message: Record<string, unknown>, channel: Parameters<ChannelEvents['onText']>[1]) => {
        const handle = handlerOf(message, handlers)
        if (!handle) app.handle(message, (answer) => void channel.send(JSON.stringify(answer)))
        else if (soundRate.take()) handle(message)
        else discarded.count('control: too many')
      }
      let hasLeft = false
      return {
        app: {
          connected: () => app.connected(),
          halt: () => app.halt(),
          get driving() {
            return app.driving
          },
          leave() {
            hasLeft = true
            members.delete(app)
            app.leave()
          },
        },
        channel: {
          onText(text, channel) {
            // the channel is closed a little later than the session
            if (hasLeft) return
            const message = text === undefined ? undefined : parseMessage(text)
            if (!message) discarded.count('control: not understood')
            else take(message, channel)
          },
          onClosed: () => app.halt(),
        },
      }
    },
    [Symbol.dispose]: () => path[Symbol.dispose](),
  }
}

function handlerOf(
  { type }: Readonly<Record<string, unknown>>,
  { talk, sound }: Pick<JoinOptions, 'talk' | 'sound'>,
): JoinOptions['talk'] {
  return type === 'talk' ? talk : type === 'sound' ? sound : undefined
}

/** The JSON object of a text message; undefined for anything else, or when it is too long or has no type. */
function parseMessage(text: string): Record<string, unknown> | undefined {
  if (text.length > MAX_BYTES) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) && isMessage(value) ? value : undefined
  } catch {
    return undefined // not JSON: the reason makes no difference
  }
}

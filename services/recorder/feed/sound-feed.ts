import type { Bus } from '#bus/bus.ts'
import { decodeOpusPacket } from '#bus/opus-packet.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { SoundPacket } from '../ring/gop-ring.ts'
import { toMonotonic } from './capture-clock.ts'
import { DemandSwitch } from './demand-switch.ts'

interface SoundFeedOptions {
  bus: Bus
  log: Logger
  onPacket(packet: SoundPacket): void
}

/** The packets of the microphone while they are wanted. Dispose to withdraw the demand. */
export function soundFeed({ bus, log, onPacket }: SoundFeedOptions): DemandSwitch {
  let lastAt = -Infinity
  const receive = (bytes: Buffer) => {
    if (!feed.wanted) return
    const { capturedAt, data } = decodeOpusPacket(bytes)
    lastAt = Math.max(lastAt + 1, toMonotonic(Number(capturedAt / 1_000n)))
    onPacket({ at: lastAt, data })
  }
  const feed = new DemandSwitch({
    async on() {
      const subscription = await bus.subscribe(topics.opus, receive)
      await bus.publish(topics.audioDemand, {}, { who: 'recorder' })
      return subscription
    },
    off: () => bus.publish(topics.audioDemand, null, { who: 'recorder' }),
    onFailed: (err) =>
      log.error({ err }, 'no sound to record: check the rules of user recorder in broker.users_file'),
  })
  return feed
}

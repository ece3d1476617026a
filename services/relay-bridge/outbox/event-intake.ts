import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { isKept } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Link } from '../connection/relay-connection.ts'
import { eventFrame } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'
import type { Outbox } from './outbox.ts'

interface IntakeDeps {
  bus: Bus
  link: Pick<Link, 'send' | 'registered'>
  outbox: Outbox
  deviceId: string
  /** Of events that nobody gets. */
  tally: EventCounter
  log: Logger
  /** Called when an event has been stored. */
  onStored(): void
  /** Pause between two tries to write to a disk that is full, ms. */
  retryEvery?: number
}

/**
 * Takes the events of the robot's services. Durable ones come through an inbox, which keeps those of our absence, and
 * are acknowledged on the bus when they are on disk; volatile ones go out at once or not at all. API_CONTRACT 2.6.
 */
export async function takeEvents(deps: IntakeDeps): Promise<AsyncDisposable> {
  const { bus, link, tally } = deps
  const stopping = new AbortController()
  await bus.subscribe(topics.event, (payload, { params: { name }, retained }) => {
    if (retained || isKept(name)) return
    if (!link.registered || !link.send(frameOf(deps, name, payload))) tally.count(`event ${name}`)
  })
  const inbox = await bus.subscribeDurably(topics.event, async (payload, { params: { name }, delivery }) => {
    if (!isKept(name)) return
    const frame = JSON.stringify(frameOf(deps, name, payload))
    const digest = createHash('sha1')
      .update(name)
      .update('\0')
      .update(JSON.stringify(payload))
      .digest('base64')
    await store(deps, stopping.signal, () => deps.outbox.append(name, frame, { ...delivery, digest }))
  })
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await inbox[Symbol.asyncDispose]()
    },
  }
}

/** Throws {@link ContractError}, which the bus logs, for an event that must not reach the relay. */
function frameOf({ deviceId, tally }: IntakeDeps, name: string, payload: Record<string, unknown>): Frame {
  try {
    return eventFrame(name, payload, { deviceId, id: randomUUID().replaceAll('-', ''), at: Date.now() })
  } catch (err) {
    if (err instanceof ContractError) tally.count(`refused event ${name}`)
    throw err
  }
}

/** A full disk is waited for: the event stays with the broker, and those after it. */
async function store(deps: IntakeDeps, stopping: AbortSignal, append: () => Promise<boolean>): Promise<void> {
  for (;;) {
    try {
      if (await append()) deps.onStored()
      return
    } catch (err) {
      if (stopping.aborted || deps.outbox.closed) throw err
      deps.log.error({ err }, 'an event cannot be stored, trying again: is the disk of data_dir full?')
      await sleep(deps.retryEvery ?? 10_000, undefined, { signal: stopping })
    }
  }
}

import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { isKept } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { eventFrame } from '../protocol/event-encoder.ts'
import { encodeFrame, type Frame } from '../protocol/frame.ts'
import type { Outbox } from './outbox.ts'

interface IntakeDeps {
  bus: Bus
  connection: { readonly registered: boolean; send(frame: Frame): boolean }
  outbox: Outbox
  deviceId: string
  /** Counts discarded events. */
  discarded: EventCounter
  log: Logger
  /** Called when an event has been stored. */
  onStored(): void
  /** Pause between two attempts to write to a full disk, in ms. */
  retryInterval?: number
}

/**
 * Receives the events of the robot's services. Durable ones come through a durable subscription, which keeps those of the
 * time when the bridge was down, and are acknowledged on the bus when they are on disk; volatile ones are sent at once
 * or discarded (docs/relay-protocol.md, events).
 */
export async function storeEvents(deps: IntakeDeps): Promise<AsyncDisposable> {
  const { bus, connection, discarded } = deps
  const stopping = new AbortController()
  await bus.subscribe(topics.event, (payload, { params: { name }, retained }) => {
    if (retained || isKept(name)) return
    const frame = frameOf(deps, name, payload)
    if (!connection.registered || !connection.send(frame)) discarded.count(`event ${name}`)
  })
  const subscription = await bus.subscribeDurably(
    topics.event,
    async (payload, { params: { name }, delivery }) => {
      if (!isKept(name)) return
      const frame = encodeFrame(frameOf(deps, name, payload))
      const digest = createHash('sha1')
        .update(name)
        .update('\0')
        .update(JSON.stringify(payload))
        .digest('base64')
      await store(deps, stopping.signal, () => deps.outbox.append(name, frame, { ...delivery, digest }))
    },
  )
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await subscription[Symbol.asyncDispose]()
    },
  }
}

/** Throws {@link ContractError}, which the bus logs, for an event that must not reach the relay. */
function frameOf({ deviceId, discarded }: IntakeDeps, name: string, payload: Record<string, unknown>): Frame {
  try {
    return eventFrame(name, payload, { deviceId, id: randomUUID().replaceAll('-', ''), at: Date.now() })
  } catch (err) {
    if (err instanceof ContractError) discarded.count(`rejected event ${name}`)
    throw err
  }
}

/** Retries on a full disk: this event, and those after it, stay with the broker. */
async function store(deps: IntakeDeps, stopping: AbortSignal, append: () => Promise<boolean>): Promise<void> {
  for (;;) {
    try {
      if (await append()) deps.onStored()
      return
    } catch (err) {
      if (stopping.aborted || deps.outbox.closed) throw err
      deps.log.error({ err }, 'event could not be stored, retrying: is the disk of data_dir full?')
      await sleep(deps.retryInterval ?? 10_000, undefined, { signal: stopping })
    }
  }
}

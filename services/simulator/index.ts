/**
 * Parts of a robot that the demo does not have: a treat dispenser and motors, so that every button of the local page does
 * something. A client without a user name, as any robot service on this machine may be.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import { type Bus, connectBus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { STOP_NAMES } from '#commands/drive/drive.ts'
import type { BusSection } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { defineUnit } from '#lib/process/service.ts'
import { VERSION } from '#lib/version.ts'
import { config } from './config.ts'

/** Treats in the carousel at the start. */
const FULL = 30
const MAX_PER_COMMAND = 10
/** Time of one turn of the carousel (ms). */
const TURN_MS = 300
/** Commands that wait for the carousel. */
const MAX_WAITING = 8

export const simulator = defineUnit({
  name: 'simulator',
  config,
  start: ({ config: { bus }, log }) => startSimulator(bus, log),
})

type Outcome = { success: boolean; error?: string; remaining?: number }

async function startSimulator(
  { url, prefix }: z.infer<typeof BusSection>,
  log: Logger,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const names = { prefix, service: 'simulator', version: VERSION, announce: false, log }
  const bus = stack.use(await connectBus({ url, ...names }))
  stack.use(await openDispenser(bus))
  // motors that always stand
  for (const name of STOP_NAMES) {
    const stop = ({ id }: Command) => bus.publish(topics.commandResult, { id, name, success: true })
    stack.use(await bus.subscribe(topics.command, stop, { name }))
  }
  return stack.move()
}

/** A dispenser with a counter. It turns for one command after the other, `turnMs` for each treat. */
export async function openDispenser(bus: Bus, turnMs = TURN_MS): Promise<Disposable> {
  using stack = new DisposableStack()
  let [remaining, today, waiting] = [FULL, 0, 0]
  let turn = Promise.resolve()
  const dispense = async (count: unknown): Promise<Outcome> => {
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > MAX_PER_COMMAND)
      return { success: false, error: `count must be 1 to ${MAX_PER_COMMAND}` }
    if (remaining < count) return { success: false, error: `only ${remaining} treats are left` }
    await sleep(turnMs * count)
    remaining -= count
    today += count
    const facts = { count, remaining, treats_today: today }
    await bus.publish(topics.event, facts, { name: 'treat_dispensed' })
    return { success: true, remaining }
  }
  for (const name of ['treat', 'dispense_treat']) {
    const answer = (id: string, outcome: Outcome) =>
      bus.publish(topics.commandResult, { ...outcome, id, name })
    const handle = async ({ id, params: { count = 1 } }: Command) => {
      if (waiting >= MAX_WAITING) return answer(id, { success: false, error: 'too many treats are waiting' })
      waiting++
      const done = turn.then(async () => await answer(id, await dispense(count))).finally(() => waiting--)
      turn = done.catch(() => {}) // the bus is away: the next command may still be carried out
      return await done
    }
    stack.use(await bus.subscribe(topics.command, handle, { name }))
  }
  return stack.move()
}

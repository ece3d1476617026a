import { setTimeout as sleep } from 'node:timers/promises'
import { connectBus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { createLogger } from '#lib/logger.ts'

/** A treat dispenser as a service of the robot, like treat_dispenser.py: docs/adding-a-service.md. */
const { BUS_URL: url = 'mqtt://127.0.0.1:1883', BUS_USER: username, BUS_PASSWORD: password } = process.env
const names = { prefix: 'wimz', service: 'treats', version: '1', announce: username !== undefined }
const bus = await connectBus({ url, username, password, ...names, log: createLogger('treats') })

const [done, MAX_WAITING] = [new Set<string>(), 8]
let [left, today, waiting, turn] = [30, 0, 0, Promise.resolve({})]

async function dispense(count: unknown): Promise<{ success: boolean; error?: string; remaining?: number }> {
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 10)
    return { success: false, error: 'count must be 1 to 10' }
  if (left < count) return { success: false, error: `only ${left} treats are left` }
  await sleep(200 * count) // here goes the GPIO of your carousel
  ;[left, today] = [left - count, today + count]
  await bus.publish(
    topics.event,
    { count, remaining: left, treats_today: today },
    { name: 'treat_dispensed' },
  )
  return { success: true, remaining: left }
}

async function handle({ id, name, params: { count = 1 } }: Command, retained: boolean): Promise<void> {
  if (retained || done.has(id)) return // old, or delivered twice
  done.add(id)
  const isFull = waiting++ >= MAX_WAITING
  if (!isFull) turn = turn.then(() => dispense(count))
  const result = isFull ? { success: false, error: 'too many treats are waiting' } : await turn
  waiting--
  await bus.publish(topics.commandResult, { id, name, success: false, ...result })
}

for (const name of ['treat', 'dispense_treat'])
  await bus.subscribe(topics.command, (command, { retained }) => handle(command, retained), { name })

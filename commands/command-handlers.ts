/** Commands that a service executes: vision and audio have such. */
import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** A command of this service. */
export interface CommandHandler {
  name: string
  /** False for a command of that name that another service executes. */
  accepts?(params: Command['params']): boolean
  /**
   * Executes the command; what it returns is added to the result. The app receives the message of a {@link ContractError}
   * or {@link UnavailableError}; other errors are only logged.
   */
  run(params: Command['params'], command: Command): Promise<Record<string, unknown>> | Record<string, unknown>
}

interface CommandDeps {
  bus: Bus
  log: Logger
}

/** Commands in execution; further ones are rejected. */
const MAX_RUNNING = 8

/** Executes commands of the bus and publishes their `command-result`. */
export async function subscribeCommands(
  { bus, log }: CommandDeps,
  handlers: readonly CommandHandler[],
): Promise<Disposable> {
  using stack = new DisposableStack()
  let running = 0
  for (const { name, accepts, run } of handlers) {
    const handle = async (command: Command, { retained }: { retained: boolean }) => {
      if (retained) return
      if (accepts && !accepts(command.params)) return
      running++
      const outcome =
        running > MAX_RUNNING
          ? { success: false, error: 'too many commands at once' }
          : await attempt(command)
      running--
      await bus.publish(topics.commandResult, { ...outcome, id: command.id, name })
    }
    const attempt = async (command: Command) => {
      try {
        return { ...(await run(command.params, command)), success: true }
      } catch (err) {
        if (err instanceof ContractError || err instanceof UnavailableError) {
          return { success: false, error: err.message }
        }
        log.error({ err, command: name }, 'command failed')
        return { success: false, error: 'internal error' }
      }
    }
    stack.use(await bus.subscribe(topics.command, handle, { name }))
  }
  return stack.move()
}

/** The validated parameters of a command. Throws a {@link ContractError} that names the parameter. */
export function paramsOf<T>(schema: z.ZodType<T>, params: Command['params']): T {
  const parsed = schema.safeParse(params)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ContractError(`${issue?.path.join('.') || 'parameters'}: ${issue?.message ?? 'invalid'}`)
}

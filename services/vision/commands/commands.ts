import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** A command that this service carries out. */
export interface CommandHandler {
  name: string
  /** Is it meant for us? Without this every command of that name is. */
  mine?(params: Command['params']): boolean
  /**
   * Carries it out; what it returns goes into the result. {@link ContractError} and {@link UnavailableError} tell the
   * app why not, any other error only the log.
   */
  run(params: Command['params']): Promise<Record<string, unknown>> | Record<string, unknown>
}

interface CommandDeps {
  bus: Bus
  log: Logger
}

/** Commands that are being carried out at the same time, at most; one more is refused. */
const MOST = 8

/** Carries commands of the bus out and says on `command-result` what became of them. */
export async function answerCommands(
  { bus, log }: CommandDeps,
  handlers: readonly CommandHandler[],
): Promise<Disposable> {
  using stack = new DisposableStack()
  let running = 0
  for (const { name, mine, run } of handlers) {
    const handle = async (command: Command) => {
      if (mine && !mine(command.params)) return
      running++
      const outcome = running > MOST ? { success: false, error: 'too many at once' } : await attempt(command)
      running--
      await bus.publish(topics.commandResult, { ...outcome, id: command.id, name })
    }
    const attempt = async (command: Command) => {
      try {
        return { ...(await run(command.params)), success: true }
      } catch (err) {
        if (err instanceof ContractError || err instanceof UnavailableError) {
          return { success: false, error: err.message }
        }
        log.error({ err, command: name }, 'command failed')
        return { success: false, error: 'failed inside the robot' }
      }
    }
    stack.use(await bus.subscribe(topics.command, handle, { name }))
  }
  return stack.move()
}

/** What a command says, checked. Throws {@link ContractError} that names the parameter. */
export function paramsOf<T>(schema: z.ZodType<T>, params: Command['params']): T {
  const parsed = schema.safeParse(params)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ContractError(`${issue?.path.join('.') || 'parameters'}: ${issue?.message ?? 'not understood'}`)
}

import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'

/** The robot's mode by the retained `telemetry/mode`. */
export interface Mode extends Disposable {
  /** Undefined while unknown. */
  readonly current: string | undefined
  /** Subscribes. */
  start(): Promise<void>
}

/** `onChanged`: the mode may have changed. */
export function createMode(bus: Bus, onChanged?: () => void): Mode {
  const stack = new DisposableStack()
  let current: string | undefined
  return {
    get current() {
      return current
    },
    async start() {
      const onReading = (reading: Record<string, unknown> | null) => {
        current = typeof reading?.mode === 'string' && reading.mode !== '' ? reading.mode : undefined
        onChanged?.()
      }
      stack.use(await bus.subscribe(topics.telemetry, onReading, { source: 'mode' }))
    },
    [Symbol.dispose]: () => stack.dispose(),
  }
}

import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'

/** What the robot is doing, as the retained `telemetry/mode` says; undefined when nobody says. */
export interface Mode extends Disposable {
  readonly now: string | undefined
}

export async function followMode(bus: Bus): Promise<Mode> {
  let now: string | undefined
  const subscription = await bus.subscribe(
    topics.telemetry,
    (reading) => {
      now = typeof reading?.mode === 'string' && reading.mode !== '' ? reading.mode : undefined
    },
    { source: 'mode' },
  )
  return {
    get now() {
      return now
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  }
}

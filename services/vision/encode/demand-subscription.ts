import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { DemandTable, type Wanted } from './demand.ts'

/** Calls `onWanted` whenever what is wanted on the bus may have changed: a demand, its end, or who is online. */
export async function followDemand(bus: Bus, onWanted: (wanted: Wanted) => unknown): Promise<Disposable> {
  using stack = new DisposableStack()
  const table = new DemandTable()
  let timer: NodeJS.Timeout | undefined
  const update = () => {
    clearTimeout(timer)
    const now = Date.now()
    onWanted(table.wanted(now))
    const end = table.nextEnd(now)
    if (end !== undefined) timer = setTimeout(update, end - now + 1)
  }
  stack.defer(() => clearTimeout(timer))
  stack.use(
    await bus.subscribe(topics.demand, (demand, { params }) => {
      table.set(params.who, demand)
      update()
    }),
  )
  stack.use(
    await bus.subscribe(topics.serviceState, ({ state }, { params }) => {
      table.setOnline(params.service, state === 'online')
      update()
    }),
  )
  return stack.move()
}

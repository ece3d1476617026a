import type { Bus } from '#bus/bus.ts'
import type { TrackEvent } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { TokenBucket } from '#lib/token-bucket.ts'

type Kind = 'dog' | 'zone' | 'bark' | 'command'

/** Publishes an event on `homeassistant/event/<kind>`. */
export type Report = (kind: Kind, event_type: string, attributes?: Record<string, unknown>) => void

/** Home Assistant records each event: after this many of a kind at once, one a second. */
const BURST = 20
/** Facts of a bark that are passed on; longer texts are cut. */
const BARK_FACTS = ['emotion', 'confidence', 'loudness_db', 'dog_name'] as const
const MAX_TEXT = 100

export function createReport(bus: Bus): Report {
  const paces = new Map<Kind, TokenBucket>()
  return (kind, event_type, attributes = {}) => {
    // a dog that barks on must not cost the event that it has left
    const pace = paces.get(kind) ?? new TokenBucket(BURST, 1)
    paces.set(kind, pace)
    if (!pace.take()) return
    bus.publish(topics.happening, { event_type, ...attributes }, { name: kind }).catch(() => {}) // logged by the bus
  }
}

/** Reports zones that objects of these labels enter and leave, and barks. */
export async function reportHappenings(
  bus: Bus,
  report: Report,
  labels: readonly string[],
): Promise<Disposable> {
  using stack = new DisposableStack()
  const onTrack = (event: TrackEvent) => {
    const { label } = event.after
    if (!labels.includes(label)) return
    const { entered, left } = zoneChanges(event)
    for (const zone of entered) report('zone', 'entered', { zone, label })
    for (const zone of left) report('zone', 'left', { zone, label })
  }
  stack.use(await bus.subscribe(topics.track, onTrack))
  for (const name of ['bark', 'bark_detected']) {
    const onBark = (bark: Record<string, unknown>) => report('bark', 'bark', factsOf(bark))
    stack.use(await bus.subscribe(topics.event, onBark, { name }))
  }
  return stack.move()
}

/** A track that ends has left all its zones. */
function zoneChanges({ type, before, after }: TrackEvent): { entered: string[]; left: string[] } {
  const was = before?.zones ?? []
  const is = type === 'end' ? [] : after.zones
  return {
    entered: is.filter((zone) => !was.includes(zone)),
    left: was.filter((zone) => !is.includes(zone)),
  }
}

function factsOf(bark: Record<string, unknown>): Record<string, unknown> {
  const known = BARK_FACTS.map((name) => {
    const value = bark[name]
    return [name, typeof value === 'string' ? value.slice(0, MAX_TEXT) : value]
  })
  return Object.fromEntries(known.filter(([, value]) => typeof value === 'string' || Number.isFinite(value)))
}

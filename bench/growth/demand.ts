import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { cpuOf, pss } from '#dev/harness/process-usage.ts'
import type { Stack } from '#dev/harness/stack.ts'
import type { GrowthRow } from './row.ts'

/** On a machine with other work. */
export const START = { within: 90_000 }
const SETTLE_MS = 5_000
const WATCH_MS = 8_000
const DEMAND_MS = 120_000

/** Demands these layers (bit/s each) of a stack and measures `vision`, and processes beside it. */
export async function measureDemand(
  stack: Stack,
  demanded: Partial<Record<Layer, number>>,
  beside: ReadonlyMap<string, number> = new Map(),
): Promise<Omit<GrowthRow, 'group' | 'name'>> {
  const bus = await stack.join('bench')
  const states = await collect(bus, topics.serviceState, { service: 'vision' })
  const layers = Object.fromEntries(Object.entries(demanded).map(([layer, bitrate]) => [layer, { bitrate }]))
  const demand = { codec: 'h264' as const, layers, until: Date.now() + DEMAND_MS }
  const frames = new Map<string, number>(Object.keys(demanded).map((layer) => [layer, 0]))
  await bus.subscribe(topics.video, (_, { params }) => {
    frames.set(params.layer, (frames.get(params.layer) ?? 0) + 1)
  })
  await bus.publish(topics.demand, demand, { who: 'debug' })
  await sleep(SETTLE_MS)
  for (const layer of frames.keys()) frames.set(layer, 0)
  const pid = stack.pids.get('vision') ?? 0
  const start = performance.now()
  const cpu = await cpuOf(new Map([['vision', pid], ...beside]), () => sleep(WATCH_MS))
  const seconds = (performance.now() - start) / 1000
  const { layers: encoded = {} } = Object(states.all.at(-1)?.payload)
  const sizes = Object.values<{ width: number; height: number }>(encoded).map(
    ({ width, height }) => `${width}×${height}`,
  )
  return {
    cpu: Object.fromEntries(cpu),
    fps: Math.min(...frames.values()) / seconds,
    size: sizes.join(', '),
    pssMiB: pss(pid),
    load: loadavg()[0] ?? Number.NaN,
  }
}

import { createHistogram } from 'node:perf_hooks'
import { CommandSection } from '#commands/actuators.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { startWebrtc } from '#services/webrtc/index.ts'
import { connectUnixBus } from '#test/helpers/unix-bus.ts'

/** What a process holds; see {@link serve}. */
export interface Held {
  /** Bytes. */
  rss: number
  heap: number
  /** Sockets, timers and listeners of the process, by kind. */
  resources: Record<string, number>
  /** Of the event loop since the last time, ms. */
  lag: { p99: number; max: number }
  /** Longest time that the event loop computed without a pause since the last time, ms of CPU: other processes do not count. */
  turn: number
}

const LAG_EVERY = 20

/** The service alone in a process, which says what it holds after every message of its parent's. */
async function serve(path: string, config: object): Promise<void> {
  const log = createLogger('webrtc', { write: () => undefined })
  const bus = await connectUnixBus(path, 'webrtc')
  const webrtc = WebrtcSection.parse({ stun_servers: [], ...config })
  await startWebrtc({
    bus,
    config: {
      webrtc,
      cloud: { ...CommandSection.parse({}), relay_url: 'ws://127.0.0.1' },
      audio: { source: { type: 'none' }, speaker: { type: 'none' } },
    },
    log,
  })
  const lag = createHistogram()
  let last = performance.now()
  let turn = 0
  let used = threadCpu()
  setInterval(() => {
    const now = performance.now()
    turn = Math.max(turn, threadCpu() - used)
    used = threadCpu()
    lag.record(Math.max(1, Math.round(now - last - LAG_EVERY)))
    last = now
  }, LAG_EVERY)
  const measure = async () => {
    const { p99, max } = { p99: lag.percentile(99), max: lag.max }
    const longest = turn
    for (let i = 0; i < 4; i++) {
      globalThis.gc?.()
      await new Promise(setImmediate)
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    const held: Held = {
      rss,
      heap: heapUsed + external,
      resources: resources(),
      lag: { p99, max },
      turn: longest,
    }
    lag.reset()
    last = performance.now()
    turn = 0
    used = threadCpu()
    process.send?.(held)
  }
  process.on('message', () => void measure())
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}

/** CPU time of this thread, ms. */
function threadCpu(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  for (const event of process.eventNames()) counts[`on ${String(event)}`] = process.listenerCount(event)
  return counts
}

const [, , path, config = '{}'] = process.argv
if (path) await serve(path, JSON.parse(config))

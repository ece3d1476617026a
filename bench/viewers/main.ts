/**
 * What a viewer costs: `npm run bench:viewers -- --viewers 1,4,16 --seconds 10 --json result.json`. Receivers that do not decode,
 * canned 720p15 video of 1.5 Mbit/s, and a fan-out server in Go beside ours as the limit. CPU is user plus system time of the server's
 * processes (`webrtc` and `broker`), in percent of one core: waiting for a busy machine does not count.
 */

import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { print } from '#dev/harness/print.ts'
import { cpuOf, rss } from '#dev/harness/process-usage.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { recordCpuProfile } from '../flame/cpu-profile.ts'
import { flameGraph } from '../flame/flame-graph.ts'
import { flameTree } from '../flame/flame-tree.ts'
import { playCannedVideo } from './canned-video.ts'
import { type GoTool, type Received, startGoTool } from './go-tool.ts'
import { ourServer, type Server } from './our-server.ts'
import { PEERS } from './peers.ts'
import type { ViewersRow } from './row.ts'
import { startServices } from './services.ts'

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1,4,16' },
    seconds: { type: 'string', default: '10' },
    /** Those of PEERS that are not installed are left out. */
    servers: { type: 'string', default: 'fanout,ours,aiortc' },
    /** With go2rtc and MediaMTX. */
    peers: { type: 'boolean', default: false },
    json: { type: 'string' },
    /** Prefix of a CPU profile of `webrtc` and its flame graph, for each number of viewers. */
    profile: { type: 'string' },
  },
})
const COUNTS = values.viewers.split(',').map(Number)
const SECONDS = Number(values.seconds)
/** Time for the estimate of the path to reach the highest layer. */
const SETTLE_MS = 6_000
/** Each takes an encoder: more would only measure the machine. */
const MAX_AIORTC_VIEWERS = 4
/** Port of the inspector of `webrtc`, with `--profile`. */
const INSPECTOR_PORT = 19_229

function fanoutServer(server: GoTool, receivers: GoTool): Server {
  return {
    pids: new Map([['fanout', server.pid]]),
    async connect(id) {
      const answer = await receivers.describe(id, await server.describe(id))
      server.send(id, answer)
    },
  }
}

async function measure(
  name: string,
  server: Server,
  receivers: GoTool,
  viewers: number,
): Promise<ViewersRow> {
  await sleep(SETTLE_MS)
  await receivers.received()
  const from = performance.now()
  let all: Received[] = []
  const cpu = await cpuOf(server.pids, async () => {
    await sleep(SECONDS * 1000)
    all = await receivers.received()
  })
  const seconds = (performance.now() - from) / 1000
  const fps = all.map(({ frames }) => frames / seconds)
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, one) => total + one, 0)
  return {
    server: name,
    viewers,
    cpu: sum(cpu.values()),
    perProcess: Object.fromEntries(cpu),
    rssMiB: sum([...server.pids.values()].map(rss)),
    fps: { min: Math.min(...fps), mean: sum(fps) / fps.length },
    mbits: (sum(all.map(({ bytes }) => bytes)) * 8) / seconds / all.length / 1e6,
    gapP99: percentile(
      all.flatMap(({ gaps }) => gaps ?? []),
      0.99,
    ),
    jitterP99: percentile(
      all.flatMap(({ jitter }) => jitter ?? []),
      0.99,
    ),
    lost: sum(all.map(({ lost }) => lost)),
    load: loadavg()[0] ?? Number.NaN,
  }
}

print(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${SECONDS} s each`)
print()
print(
  '| server | viewers | CPU | per process | RSS MiB | fps least / mean | Mbit/s | gap p99 | jitter p99 | lost | load |',
)
print('|---|---|---|---|---|---|---|---|---|---|---|')

await using services = await startServices({ stun_servers: [], max_connections: 64 }, INSPECTOR_PORT)
const { bus } = services
using video = await playCannedVideo(bus)
const rows: ViewersRow[] = []
const servers = new Set([...values.servers.split(','), ...(values.peers ? Object.keys(PEERS) : [])])
for (const name of servers) {
  const counts = COUNTS.filter((viewers) => name !== 'aiortc' || viewers <= MAX_AIORTC_VIEWERS)
  if (counts.length === 0 || PEERS[name]?.isInstalled() === false) continue
  using receivers = startGoTool('receive')
  using fanout = name === 'fanout' ? startGoTool('fanout') : undefined
  using peer = await PEERS[name]?.start(receivers)
  const server = peer ?? (fanout ? fanoutServer(fanout, receivers) : await ourServer(services, receivers))
  video.onFrame = (data) => {
    if (!fanout) return
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    fanout.video.write(Buffer.concat([length, data]))
  }
  let connected = 0
  for (const viewers of counts) {
    while (connected < viewers) await server.connect(`${name}-${connected++}`)
    const row = await measure(name, server, receivers, viewers)
    rows.push(row)
    if (values.profile && name === 'ours') {
      const profile = await recordCpuProfile(services.pids.get('webrtc') ?? 0, INSPECTOR_PORT, SECONDS * 1000)
      writeFileSync(`${values.profile}-${viewers}.cpuprofile`, JSON.stringify(profile))
      const graph = flameGraph(flameTree(profile), { title: `webrtc, ${viewers} viewers` })
      writeFileSync(`${values.profile}-${viewers}.svg`, graph)
    }
    const parts = Object.entries(row.perProcess).map(([part, cpu]) => `${part} ${cpu.toFixed(1)}`)
    print(
      `| ${name} | ${viewers} | ${row.cpu.toFixed(1)} % | ${parts.join(', ')} | ${row.rssMiB.toFixed(0)} | ${row.fps.min.toFixed(1)} / ${row.fps.mean.toFixed(1)} | ${row.mbits.toFixed(2)} | ${row.gapP99.toFixed(0)} ms | ${row.jitterP99.toFixed(0)} ms | ${row.lost} | ${row.load.toFixed(1)} |`,
    )
  }
  video.onFrame = () => undefined
}
for (const name of new Set(rows.map(({ server }) => server))) {
  const of = rows.filter(({ server }) => server === name)
  const [first, last] = [of[0], of.at(-1)]
  if (first && last && last.viewers > first.viewers) {
    const slope = (last.cpu - first.cpu) / (last.viewers - first.viewers)
    print(`\n${name}: ${slope.toFixed(2)} % of a core per viewer (${first.viewers} to ${last.viewers})`)
  }
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { startStack } from '#dev/harness/stack.ts'
import { chirps, toWav } from '#test/audio/signals.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { ProcessSamples } from '#test/soak/process-samples.ts'
import { growths } from '#test/soak/verdict.ts'
import { openTalkingViewer } from '#test/webrtc/audio/talking-viewer.ts'

const MINUTES = Number(process.env.WIMZ_SOUND_MINUTES ?? 12)
const INTERVAL_MS = 10_000
/** Viewers at the same time. */
const VIEWERS = 3
/** Of the time; what is measured before is the filling of caches. */
const WARM_UP = 0.25

const CLIP = toWav(chirps(2)).toString('base64')

/** A viewer that comes, hears, talks, plays a clip and leaves, again and again. */
async function visit(bus: Bus, name: string, signal: AbortSignal) {
  const seen = { visits: 0, heard: 0, failed: 0 }
  for (let n = 1; !signal.aborted; n++) {
    const cleanup: (() => Promise<void>)[] = []
    try {
      const after = (close: () => Promise<void>) => void cleanup.push(close)
      const { viewer, talk } = await openTalkingViewer({ after }, bus, `${name}-${n}`)
      await viewer.until(({ audio }) => audio.length > 50, 20_000)
      seen.heard += viewer.audio.length
      await talk(1, 2_000, signal)
      if (n % 3 === 0) {
        const params = { data: CLIP, format: 'wav' }
        const command = { id: `${name}-${n}`, name: 'ptt_play', params, source: 'relay' as const }
        await bus.publish(topics.command, { ...command, received_at: Date.now() }, { name: 'ptt_play' })
      }
      await sleep(1_000, undefined, { signal }).catch(() => {})
      seen.visits++
    } catch {
      seen.failed++
    }
    for (const close of cleanup) await close().catch(() => {})
  }
  return seen
}

test(`${MINUTES} minutes of viewers that come, hear, talk and leave: the memory stays flat`, {
  timeout: (MINUTES + 5) * 60_000,
}, async (t) => {
  const stack = await startStack(
    {
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      webrtc: { stun_servers: [], max_connections: VIEWERS + 2, video: { width: 320, height: 180, fps: 5 } },
      audio: {
        source: { type: 'synthetic' },
        speaker: { type: 'exec', command: ['sh', '-c', 'exec cat > /dev/null'] },
        full_duplex: true,
      },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const ended = new AbortController()
  const visits = Array.from({ length: VIEWERS }, (_, i) => visit(bus, `viewer-${i}`, ended.signal))
  const samples = await ProcessSamples.open(bus, stack.pids)
  for (let n = 0; n < MINUTES * 6; n++) {
    const added = await samples.add(
      () => sleep(INTERVAL_MS),
      () => ({}),
    )
    const line = added.map(
      ({ process, pss_mib, cpu_percent }) => `${process} ${pss_mib.toFixed(1)} ${cpu_percent.toFixed(1)}%`,
    )
    if (n % 6 === 5) t.diagnostic(`${(n + 1) * 10} s: ${line.join(', ')}`)
  }
  ended.abort()
  const seen = await Promise.all(visits)
  t.diagnostic(JSON.stringify(seen))
  const warm = samples.all.filter(({ seconds }) => seconds > MINUTES * 60 * WARM_UP)
  const memory = growths(warm).filter(({ figure }) => figure === 'pss_mib')
  for (const { process, growth, atLeast } of memory) {
    t.diagnostic(`${process}: ${growth.toFixed(1)} MiB, at least ${atLeast.toFixed(1)}`)
  }
  assert.ok(
    seen.every(({ visits }) => visits > MINUTES * 2),
    'viewers came and went',
  )
  assert.deepEqual(
    memory.filter(({ isTrend }) => isTrend),
    [],
  )
})

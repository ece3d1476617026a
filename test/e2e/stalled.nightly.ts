import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import type { Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { ON_MOSQUITTO, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { withParent } from '#dev/harness/with-parent.ts'
import { rssOf } from '#test/broker/broker-process.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

const MINUTES = 2
const LAYERS: Layer[] = ['high', 'medium']
const CONTROL_EVERY = 100

test('a stopped mosquitto_sub beside two layers of video for two minutes: no other client is delayed', {
  skip: without('mosquitto_sub') || (ON_MOSQUITTO && 'looks at our own broker'),
  timeout: 240_000,
}, async (t) => {
  const stack = await startStack({ vision: { source: { type: 'synthetic' } } })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const [watching, driving, driven] = [
    await stack.join('watching'),
    await stack.join('driving'),
    await stack.join('driven'),
  ]
  const frames = new Map(LAYERS.map((layer) => [layer, { seen: 0, lost: 0, last: -1 }]))
  for (const layer of LAYERS) {
    const count = frames.get(layer) ?? { seen: 0, lost: 0, last: -1 }
    await watching.subscribe(
      topics.video,
      (bytes) => {
        const { frame } = decodeAccessUnit(bytes)
        if (count.last >= 0) count.lost += frame - count.last - 1
        count.last = frame
        count.seen++
      },
      { layer },
    )
  }
  let refused: Record<string, number> = {}
  await watching.subscribe(topics.serviceState, (state) => (refused = Object(state.refused)), {
    service: 'broker',
  })
  const demand = {
    codec: 'h264' as const,
    layers: { high: { bitrate: 1_500_000 }, medium: { bitrate: 900_000 } },
  }
  const end = Date.now() + (MINUTES + 1) * 60_000
  await driving.publish(topics.demand, { ...demand, until: end }, { who: 'debug' })

  const args = ['-p', String(stack.brokerPort), '-t', 'wimz/#', '-N']
  const frozen = spawn(...withParent('mosquitto_sub', args), { stdio: ['ignore', 'pipe', 'ignore'] })
  closeAfter(t, () => frozen.kill('SIGKILL'))
  frozen.stdout.resume()
  await once(frozen.stdout, 'data')
  await until(() => (frames.get('medium')?.seen ?? 0) >= 30, { deadline: 30_000, show: () => frames })
  const broker = stack.pids.get('broker') ?? 0
  const before = rssOf(broker)
  frozen.kill('SIGSTOP')
  const gaps = await drive(MINUTES * 60_000)
  const grown = rssOf(broker) - before

  const [usual = 0, worst = 0] = [0.99, 1].map((share) => gaps[Math.floor((gaps.length - 1) * share)])
  t.diagnostic(
    `gaps: 99 % within ${usual.toFixed(1)} ms, largest ${worst.toFixed(1)} ms; memory ${before.toFixed(0)} + ${grown.toFixed(1)} MiB`,
  )
  t.diagnostic(JSON.stringify({ frames: Object.fromEntries(frames), refused }))
  for (const [layer, { seen, lost }] of frames) {
    assert.equal(lost, 0, `frames of ${layer} lost`)
    assert.ok(seen > MINUTES * 60 * 5, `${seen} frames of ${layer}`)
  }
  assert.ok(usual <= 120, `99 % of the gaps are within ${usual} ms`)
  // that much a machine whose two cores encode video may take to wake us up
  assert.ok(worst <= 300, `largest gap ${worst} ms`)
  assert.ok(gaps.length > MINUTES * 60 * 8, `${gaps.length} control messages arrived`)
  assert.ok(grown <= 30, `memory grew by ${grown} MiB`)
  assert.equal(refused.clients_closed, 1)
  assert.ok((refused.messages_dropped ?? 0) > 0)

  /** Times between the arrivals of a control message that is sent every 100 ms: what the way adds, our own timer not. */
  async function drive(during: number): Promise<number[]> {
    const found: number[] = []
    let before: number | undefined
    const listen = ({ at }: Record<string, unknown>) => {
      const delay = performance.now() - Number(at)
      if (before !== undefined) found.push(CONTROL_EVERY + delay - before)
      before = delay
    }
    await driven.subscribe(topics.telemetry, (message) => listen(message ?? {}), { source: 'control' })
    const end = performance.now() + during
    while (performance.now() < end) {
      await driving.publish(topics.telemetry, { at: performance.now() }, { source: 'control' })
      await sleep(CONTROL_EVERY)
    }
    return found.sort((a, b) => a - b)
  }
})

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

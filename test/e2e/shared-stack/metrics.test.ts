import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { ON_MOSQUITTO } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { sharedStack } from './shared-stack.ts'

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[]
}

const dashboard: Dashboard = JSON.parse(
  readFileSync(new URL('../../../deploy/grafana/wimz.json', import.meta.url), 'utf8'),
)

/** The page, once all of `lines` are on it. */
async function scrape(port: number, lines: RegExp[]): Promise<string> {
  let text = ''
  const missing = () => lines.filter((line) => !line.test(text))
  const isComplete = async () => {
    text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    return missing().length === 0
  }
  await until(isComplete, { deadline: 40_000, every: 200, show: () => ({ missing: missing(), text }) })
  return text
}

test('metrics.port offers the figures of the whole stack, and the dashboard asks for nothing else', async () => {
  const { stack, metricsPort } = await sharedStack()
  const bus = await stack.join()
  const end = Date.now() + 60_000
  await bus.publish(
    topics.demand,
    { codec: 'h264', layers: { low: { bitrate: 400_000 } }, until: end },
    {
      who: 'debug',
    },
  )
  const text = await scrape(metricsPort, [
    /^wimz_frames_captured_total\{service="vision"\} [1-9]/m,
    /^wimz_frames_encoded_total\{layer="low",codec="h264",service="vision"\} [1-9]/m,
    /^wimz_encode_seconds_count\{.*layer="low".*\} [1-9]/m,
    /^wimz_inference_seconds_count\{service="vision"\} [1-9]/m,
    /^wimz_stage_seconds_count\{.*stage="capture".*\} [1-9]/m,
    /^wimz_stage_seconds_count\{.*stage="detect".*\} [1-9]/m,
    /^wimz_stage_seconds_count\{.*stage="encode".*\} [1-9]/m,
    /^wimz_relay_connected\{service="relay-bridge"\} 1$/m,
    /^wimz_outbox_depth\{service="relay-bridge"\} \d/m,
    /^wimz_viewers\{service="webrtc"\} 0$/m,
    ...['vision', 'webrtc', 'relay-bridge', 'metrics'].flatMap((service) => [
      new RegExp(`^process_resident_memory_bytes\\{service="${service}"\\} \\d`, 'm'),
      new RegExp(`^nodejs_eventloop_lag_p99_seconds\\{service="${service}"\\} \\d`, 'm'),
    ]),
    ...[...(ON_MOSQUITTO ? [] : ['broker']), 'vision', 'webrtc', 'relay-bridge', 'metrics'].map(
      (service) => new RegExp(`^wimz_service_up\\{service="${service}"\\} 1$`, 'm'),
    ),
  ])
  const offered = new Set(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) {
      const [name = ''] = /\b(wimz|process|nodejs)_\w+/.exec(expr) ?? []
      assert.ok(offered.has(name), `${title}: no service offers ${name}`)
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sample } from './process-samples.ts'
import { growths } from './verdict.ts'

/** A sample each 10 s. */
function samples(minutes: number, pss: (second: number) => number): Sample[] {
  return Array.from({ length: minutes * 6 }, (_, i) => ({
    seconds: i * 10,
    process: 'vision',
    rss_mib: 300,
    pss_mib: pss(i * 10),
    descriptors: 40 + (i % 3),
    threads: 20,
    cpu_percent: 10,
    loop_lag_p99_ms: 12,
    loop_lag_max_ms: 20,
    fps: null,
    latency_p95_ms: null,
    load: 1,
  }))
}
const trends = (all: Sample[]) => growths(all).flatMap(({ isTrend, figure }) => (isTrend ? [figure] : []))

test('steady growth is a trend, a single jump, waves and a short run are none', () => {
  assert.deepEqual(trends(samples(30, (s) => 200 + s / 60)), ['pss_mib'])
  assert.deepEqual(trends(samples(30, (s) => (s < 1_500 ? 200 : 300))), [])
  assert.deepEqual(trends(samples(30, (s) => 200 + 20 * Math.sin(s / 60))), [])
  assert.deepEqual(trends(samples(4, (s) => 200 + s)), [])
})

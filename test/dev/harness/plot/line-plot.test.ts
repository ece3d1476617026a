import assert from 'node:assert/strict'
import { test } from 'node:test'
import { axes, linePlot } from '#dev/harness/plot/line-plot.ts'

const line = (points: (readonly [number, number])[]) => [{ name: 'a', points }]

test('a linear axis starts at 0 on the left and at the bottom, and ends at a round number above the largest value', () => {
  const { toX, toY, ticksY } = axes({
    lines: line([
      [0, 3],
      [10, 47],
    ]),
  })
  assert.deepEqual(ticksY, [0, 12.5, 25, 37.5, 50])
  assert.ok(toX(0) < toX(5) && toX(5) < toX(10))
  assert.equal(toX(10) - toX(5), toX(5) - toX(0))
  assert.ok(toY(0) > toY(80), 'y grows upwards')
})

test('each doubling takes the same width on a log2 axis, with a tick at each point', () => {
  const { toX, ticksX } = axes({
    scale: 'log2',
    lines: line([
      [1, 1],
      [4, 1],
      [16, 1],
      [64, 1],
    ]),
  })
  assert.deepEqual(ticksX, [1, 4, 16, 64])
  const widths = [toX(4) - toX(1), toX(16) - toX(4), toX(64) - toX(16)]
  assert.ok(Math.max(...widths) - Math.min(...widths) < 0.05, `${widths}`)
})

test('a single x, no points and values that are not finite give numbers all the same', () => {
  for (const points of [
    [],
    [[5, 1]],
    [[0, 0]],
    [
      [1, Number.NaN],
      [2, Number.POSITIVE_INFINITY],
    ],
  ] as const) {
    for (const scale of ['linear', 'log2'] as const) {
      const svg = linePlot([{ title: 't', x: 'x', scale, dots: true, lines: [{ name: 'a', points }] }])
      assert.doesNotMatch(svg, /NaN|Infinity/, `${JSON.stringify(points)} ${scale}`)
    }
  }
})

test('titles and names are text, not markup', () => {
  const svg = linePlot([{ title: 'a < b & "c"', x: '<x>', lines: [{ name: '</svg>', points: [[0, 1]] }] }])
  assert.match(svg, /a &lt; b &amp; &quot;c&quot;/)
  assert.equal(svg.match(/<\/svg>/g)?.length, 1)
})

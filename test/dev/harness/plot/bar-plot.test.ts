import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barPlot } from '#dev/harness/plot/bar-plot.ts'

const widths = (svg: string) =>
  [...svg.matchAll(/<rect x="290" y="[\d.]+" width="([\d.]+)" height="7"/g)].map(([, width]) => Number(width))

test('a bar is as wide as its share of the largest, rounded up; the figure stands beside it', () => {
  const svg = barPlot([
    {
      title: 't',
      x: 's',
      series: ['median', 'worst'],
      rows: [
        { name: 'one', values: [2, 8] },
        { name: 'two', values: [4, 0] },
      ],
    },
  ])
  const [two = 0, eight = 0, four = 0, zero] = widths(svg)
  assert.ok(Math.abs(eight - 4 * two) < 0.1 && Math.abs(four - 2 * two) < 0.1)
  assert.equal(zero, 0)
  assert.match(svg, />8<\/text>/)
})

test('a missing value has no bar, no rows make an empty plot', () => {
  const svg = barPlot([
    { title: 't', x: 's', series: ['a', 'b'], rows: [{ name: 'one', values: [Number.NaN, 1] }] },
  ])
  assert.equal(widths(svg).length, 1)
  assert.doesNotMatch(barPlot([{ title: 't', x: 's', series: ['a'], rows: [] }]), /NaN|Infinity/)
})

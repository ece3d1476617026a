import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'

const all = Object.values(topics) as unknown as Topic<unknown, string>[]
const level = fc.string({ minLength: 1 }).filter((text) => !/[/+#\0]/.test(text))

test('every topic matches the names it creates and returns their parameters', () => {
  for (const topic of all) {
    const keys = [...topic.pattern.matchAll(/\{(\w+)\}/g)].map(([, key]) => key ?? '')
    fc.assert(
      fc.property(fc.tuple(...keys.map(() => level)), (values) => {
        const params = Object.fromEntries(keys.map((key, i) => [key, values[i] ?? '']))
        assert.deepEqual(topic.match(topic.name(params)), params)
      }),
      { numRuns: 30 },
    )
  }
})

test('no topic is declared twice, and video is QoS 0', () => {
  assert.equal(new Set(all.map(({ pattern }) => pattern)).size, all.length)
  assert.equal(topics.video.qos, 0)
  assert.equal(topics.video.retain, false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConflatingQueue } from '#services/vision/frame/conflating-queue.ts'

test('only the newest item waits; replaced items are counted, and every item is disposed of (E01)', async () => {
  const worked: number[] = []
  let dropped = 0
  let disposed = 0
  const gate = Promise.withResolvers<void>()
  const item = (n: number) => ({ n, [Symbol.dispose]: () => void disposed++ })
  const latest = createConflatingQueue<ReturnType<typeof item>>(
    async ({ n }) => {
      worked.push(n)
      await gate.promise
    },
    () => void dropped++,
  )
  for (let n = 1; n <= 5; n++) latest.offer(item(n))
  gate.resolve()
  await latest[Symbol.asyncDispose]()
  latest.offer(item(6))
  assert.deepEqual(worked, [1])
  assert.equal(dropped, 3)
  assert.equal(disposed, 6)
})

test('the newest item is processed after the one in process', async () => {
  const worked: number[] = []
  const done = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const item = (n: number) => ({ n, [Symbol.dispose]() {} })
  await using latest = createConflatingQueue<ReturnType<typeof item>>(
    async ({ n }) => {
      worked.push(n)
      await gate.promise
      if (n === 3) done.resolve()
    },
    () => {},
  )
  for (let n = 1; n <= 3; n++) latest.offer(item(n))
  gate.resolve()
  await done.promise
  assert.deepEqual(worked, [1, 3])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startStack } from '#dev/harness/stack.ts'

/** Milliseconds: what belongs to the start is said by then, and how long is listened after that. */
const SETTLED = 15_000
const MINUTES = 3

test('without a viewer the log has at most one line per minute', async () => {
  await using stack = await startStack()
  await sleep(SETTLED)
  const before = stack.lines.length
  await sleep(MINUTES * 60_000)
  const said = stack.lines.slice(before)
  assert.ok(said.length <= MINUTES, said.map((line) => JSON.stringify(line)).join('\n'))
})

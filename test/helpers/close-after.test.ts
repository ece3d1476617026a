import assert from 'node:assert/strict'
import test from 'node:test'
import { closeAll } from './close-after.ts'

test('what was opened last closes first, and a failure or a cleanup that never ends skips none', async () => {
  const closed: string[] = []
  const failing = () => {
    throw new Error('still in use')
  }
  const endless = () => new Promise(() => undefined)
  const closing = closeAll([() => closed.push('network'), failing, endless, () => closed.push('browser')], 10)
  await assert.rejects(closing, /not closed within 10 ms.*still in use/s)
  assert.deepEqual(closed, ['browser', 'network'])
})

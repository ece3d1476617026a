import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { openDispenser } from '#services/simulator/index.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

test('the simulated dispenser gives treats, counts them, and is empty at last', async (t) => {
  const { connect, use } = await memoryBus(t)
  const [app, robot] = [await connect('app'), await connect('simulator')]
  use(await openDispenser(robot, 1))
  const results = await collect(app, topics.commandResult)
  const events = await collect(app, topics.event)
  const give = async (id: string, count: unknown) => {
    const command = { id, name: 'treat', params: { count }, source: 'relay' as const, received_at: 0 }
    await app.publish(topics.command, command, { name: 'treat' })
    return (await results.next({ where: (result) => result.id === id })).payload
  }
  assert.equal((await give('1', 1)).remaining, 29)
  assert.deepEqual((await events.next()).payload, { count: 1, remaining: 29, treats_today: 1 })
  assert.equal((await give('2', 'many')).error, 'count must be 1 to 10')
  for (const id of ['3', '4']) assert.equal((await give(id, 10)).success, true)
  assert.equal((await give('5', 10)).error, 'only 9 treats are left')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startUsersBroker, TESTER } from '../users-broker.ts'

const FILTERS = ['tasmota/discovery/#', 'cloudapp/QBUSMQTTGW/+/state', '/greencell/broadcast/device']

test('what Home Assistant subscribes to at every broker is denied without a warning; any other denial has one', async (t) => {
  const { broker, connect, logged } = await startUsersBroker(t, {
    users: { [TESTER]: { publish: [], subscribe: ['homeassistant/#'] } },
  })
  const client = await connect(TESTER)
  const denials = () => logged.filter(({ msg }) => String(msg).includes('denied'))
  const isDenied = (filter: string) =>
    client.subscribeAsync(filter).then(
      () => false,
      (err) => err.packet.granted[0] === 0x80,
    )
  for (const filter of FILTERS) assert.ok(await isDenied(filter), filter)
  assert.deepEqual([denials(), broker.totals.subscribe_refused], [[], undefined])
  assert.ok(await isDenied('wimz/command/#'))
  assert.deepEqual(
    [denials().map(({ topic }) => topic), broker.totals.subscribe_refused],
    [['wimz/command/#'], 1],
  )
})

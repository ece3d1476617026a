import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Aedes, Client } from 'aedes'
import { StoredSessions } from '#broker/aedes/stored-sessions.ts'
import { MAX_SUBSCRIPTIONS } from '#broker/protocol/packets.ts'

/** The persistence of Aedes, as far as it stores subscriptions. */
function persistence() {
  const stored = new Map<string, Set<string>>()
  return {
    stored,
    addSubscriptions({ id }: { id: string }, filters: { topic: string }[]) {
      const own = stored.get(id) ?? new Set()
      stored.set(id, own)
      for (const { topic } of filters) own.add(topic)
      return Promise.resolve()
    },
    subscriptionsByClient: ({ id }: { id: string }) => Promise.resolve([...(stored.get(id) ?? [])]),
    cleanSubscriptions: ({ id }: { id: string }) => Promise.resolve(stored.delete(id)),
    cleanIncoming: () => Promise.resolve(),
  }
}

test('a session stores accepted filters only, and at most as many as a client may have', async () => {
  const memory = persistence()
  const sessions = new StoredSessions()
  sessions.install({ persistence: memory } as unknown as Aedes, (_client, filter) => filter.startsWith('a/'))
  const client = { id: 'keeper', conn: {} } as Client
  for (let round = 0; round < 20; round++) {
    const filters = ['a', 'b'].flatMap((level) =>
      Array.from({ length: 50 }, (_, i) => ({ topic: `${level}/${round}/${i}` })),
    )
    for (const _accepted of filters) await memory.addSubscriptions(client, filters)
  }
  const stored = [...(memory.stored.get('keeper') ?? [])]
  assert.equal(stored.length, MAX_SUBSCRIPTIONS)
  assert.ok(stored.every((filter) => filter.startsWith('a/')))
  sessions.discard('keeper')
  assert.equal(memory.stored.has('keeper'), false)
})

test('the sessions of the users file store all their filters', async () => {
  const memory = persistence()
  new StoredSessions().install({ persistence: memory } as unknown as Aedes, () => false)
  await memory.addSubscriptions({ id: 'relay-bridge-inbox-wimz' }, [{ topic: 'wimz/event/#' }])
  assert.equal(memory.stored.get('relay-bridge-inbox-wimz')?.size, 1)
})

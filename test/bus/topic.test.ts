import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { ContractError } from '#bus/contract-error.ts'
import { decodePayload, encodePayload, fromWire, json, type Topic, toWire } from '#bus/topic.ts'
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

const command = json('command/{name}', {
  payload: z.strictObject({ speed: z.number() }),
  qos: 1,
  reserved: ['state'],
  maxBytes: 40,
  ...{ from: '', to: '', description: '' },
})

test('a parameter is one level without wildcards, and reserved names belong to another topic', () => {
  assert.equal(command.name({ name: 'motor' }), 'command/motor')
  for (const name of [
    '',
    'a/b',
    '+',
    '#',
    'a\0',
    'bell\u0007',
    'next\u0085',
    '\ufffe',
    '\ud800',
    'x'.repeat(1_025),
  ])
    assert.throws(() => command.name({ name }), ContractError, name)
  assert.throws(() => command.name({ name: 'state' }), /another topic/)
  assert.equal(command.match('command/state'), undefined)
  assert.equal(command.match('command'), undefined)
  assert.equal(command.match('command/a/b'), undefined)
  assert.equal(command.match('event/a'), undefined)
  assert.deepEqual(command.match('command/a'), { name: 'a' })
  assert.equal(command.filter(), 'command/+')
  assert.throws(() => command.filter({ name: '+/x' }), ContractError)
})

test('names have the prefix on the wire, but for topics of others', () => {
  assert.equal(toWire({ unprefixed: false }, 'wimz', 'a/b'), 'wimz/a/b')
  assert.equal(toWire({ unprefixed: true }, 'wimz', 'a/b'), 'a/b')
  assert.equal(fromWire({ unprefixed: false }, 'wimz', 'wimz/a/b'), 'a/b')
  assert.equal(fromWire({ unprefixed: false }, 'wimz', 'wimzy/a/b'), undefined)
  assert.equal(fromWire({ unprefixed: true }, 'wimz', 'wimz/a'), 'wimz/a')
})

test('a payload has to match its schema and its limit, in both directions', () => {
  const bytes = encodePayload(command, { speed: 1 })
  assert.equal(String(bytes), '{"speed":1}')
  assert.deepEqual(decodePayload(command, bytes), { speed: 1 })
  assert.throws(() => encodePayload(command, { speed: 'x' } as never), /speed/)
  assert.throws(() => decodePayload(command, Buffer.from('{"speed":"x"}')), /speed/)
  assert.throws(() => decodePayload(command, Buffer.from('{')), /not JSON/)
  const padded = (length: number) => Buffer.from('{"speed":1}'.padEnd(length))
  assert.deepEqual(decodePayload(command, padded(40)), { speed: 1 })
  assert.throws(() => decodePayload(command, padded(41)), /41 bytes, the limit is 40/)
  assert.throws(() => encodePayload(topics.video, Buffer.alloc(topics.video.maxBytes + 1)), /the limit is/)
  const video = Buffer.from('{}')
  assert.equal(decodePayload(topics.video, video), video)
  assert.equal(encodePayload(topics.video, video), video)
  assert.equal(topics.event.maxBytes >= 256 * 1024, true)
})

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { startUsersBroker } from '../users-broker.ts'
import * as raw from './raw-client.ts'
import { connect, type RawClient, subscribe } from './raw-client.ts'

export const hex = (bytes: Buffer) => bytes.toString('hex')
/** A topic on which every client may publish. */
export const T = 'wimz/event/t'
/** A topic that the contract retains; on others the broker clears the flag. */
export const RETAINED = 'wimz/telemetry/t'

/** The broker, and a function that connects a client without a user name. */
export async function stage(t: TestContext) {
  const { broker, passwordOf } = await startUsersBroker(t)
  const login = async (
    options: Parameters<typeof connect>[0] = {},
    sessionPresent = 0,
  ): Promise<RawClient> => {
    const client = await raw.dial(t, broker.port)
    client.send(connect(options))
    assert.equal(await client.next(), hex(raw.connack(0, sessionPresent)))
    return client
  }
  const subscriber = async (...filters: [string, number][]): Promise<RawClient> => {
    const client = await login()
    client.send(subscribe(1, ...filters))
    assert.equal(await client.next(), hex(raw.suback(1, ...filters.map(([, qos]) => qos))))
    return client
  }
  return { broker, passwordOf, login, subscriber }
}

/** Subscribes and disconnects: what remains is the stored session. */
export async function subscribeAndLeave(client: RawClient, filter: [string, number]): Promise<void> {
  client.send(subscribe(1, filter))
  assert.equal(await client.next(), hex(raw.suback(1, filter[1])))
  client.send(raw.DISCONNECT)
  assert.equal(await client.next(), 'closed')
}

/** Fails if anything but the PINGRESP arrives. */
export async function assertSilent(client: RawClient): Promise<void> {
  client.send(raw.PINGREQ)
  assert.equal(await client.next(), hex(raw.PINGRESP))
}

/** First byte and topic of a PUBLISH as hex, without its packet id. */
export function headOf(packet: string, topic: string): string {
  const at = packet.indexOf(hex(Buffer.from(topic)))
  assert.ok(at > 0, packet)
  return packet.slice(0, 2)
}

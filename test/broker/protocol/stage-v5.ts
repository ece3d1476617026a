import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { startUsersBroker } from '../users-broker.ts'
import * as raw from './raw-client.ts'
import { PINGREQ, PINGRESP, type RawClient } from './raw-client.ts'
import { hex } from './stage.ts'
import { connect5, type Properties, suback5, subscribe5 } from './v5-packets.ts'

/** The broker, and functions that connect clients of MQTT 5 without a user name. */
export async function stage5(t: TestContext, options: Parameters<typeof startUsersBroker>[1] = {}) {
  const site = await startUsersBroker(t, options)
  const login = async (options: Parameters<typeof connect5>[0] = {}, present = 0): Promise<RawClient> => {
    const client = await raw.dial(t, site.broker.port)
    client.send(connect5(options))
    assert.match(await client.next(), new RegExp(`^20..0${present}00`))
    return client
  }
  const subscriber = async (
    filters: [string, number][],
    of: Properties = {},
    options: Parameters<typeof connect5>[0] = {},
  ): Promise<RawClient> => {
    const client = await login(options)
    client.send(subscribe5(1, filters, of))
    assert.equal(await client.next(), hex(suback5(1, ...filters.map(([, bits]) => bits & 3))))
    return client
  }
  return { ...site, login, subscriber }
}

/** Sends packets and waits until the broker has processed them. */
export async function settle(client: RawClient, ...packets: Buffer[]): Promise<void> {
  client.send(...packets, PINGREQ)
  while ((await client.next()) !== hex(PINGRESP));
}

export const bytesOf = (packet: string) => Buffer.from(packet, 'hex')
/** Packet id of a PUBLISH. */
export const idOf = (packet: string, topic: string) => {
  const bytes = bytesOf(packet)
  return bytes.readUInt16BE(bytes.indexOf(topic) + topic.length)
}

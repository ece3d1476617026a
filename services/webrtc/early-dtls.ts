import type { RTCDtlsTransport } from 'werift'

/** A ClientHello and its repetitions. */
const MAX_EARLY = 8

/**
 * Keeps the DTLS records that arrive before werift listens for them, and hands them over then. The viewer says its
 * ClientHello as soon as its side of ICE is done; werift 0.25.2 makes its DTLS end only when its own side is, up to 20 ms
 * later, and so would wait for the repetition: 50 to 100 ms of every connect.
 */
export function keepEarlyDtls(transport: RTCDtlsTransport): void {
  const { connection } = transport.iceTransport
  const early: Buffer[] = []
  const listening = connection.onData.subscribe((data) => {
    if (early.length < MAX_EARLY && isDtls(data)) early.push(data)
  })
  transport.onStateChange.once(() => {
    listening.unSubscribe()
    // by then the end that `connecting` announces has been made
    queueMicrotask(() => {
      for (const data of early.splice(0)) connection.onData.execute(data)
    })
  })
}

/** RFC 7983 §7. */
function isDtls(data: Buffer): boolean {
  const [first = 0] = data
  return first >= 20 && first <= 63
}

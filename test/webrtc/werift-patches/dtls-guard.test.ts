import { test } from 'node:test'
import { DtlsClient, type RTCDtlsTransport } from 'werift'
import { staysTrue, until } from '#dev/harness/until.ts'
import { endHandshake } from '#services/webrtc/werift-patches/dtls-guard.ts'

for (const when of ['before', 'during'])
  test(`a DTLS handshake is not repeated after a close ${when} it`, async () => {
    let sent = 0
    const path = {
      type: 'test',
      address: ['', 0],
      send() {
        sent++
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
      socket: { onData() {} },
    }
    const socket = new DtlsClient({ transport: path as never })
    const transport = { dtls: socket } as unknown as RTCDtlsTransport
    if (when === 'during') {
      const connecting = socket.connect()
      // the first repetition follows after half a second
      await until(() => sent === 2)
      endHandshake(transport)
      await connecting
    } else {
      endHandshake(transport)
      await socket.connect()
    }
    const before = sent
    await staysTrue(() => sent === before, 2_000, { show: () => sent })
  })

import type { RtpRelays } from './rtp-relay.ts'
import { type Header, RtspMessages } from './rtsp-messages.ts'

/** What FFmpeg sends over RTSP, for a camera: RTP over UDP goes to the relays. */
export class RtspRequests extends RtspMessages {
  readonly #relays: Pick<RtpRelays, 'requested'>

  constructor(relays: Pick<RtpRelays, 'requested'>) {
    super()
    this.#relays = relays
  }

  protected override async rewrite(first: string, headers: readonly Header[]): Promise<string[]> {
    const lines = headers.map(async ({ name, value, line }) =>
      name === 'transport' ? `Transport: ${await this.#relays.requested(value)}` : line,
    )
    return [first, ...(await Promise.all(lines))]
  }
}

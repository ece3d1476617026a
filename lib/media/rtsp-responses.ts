import type { RtpRelays } from './rtp-relay.ts'
import { type Header, RtspMessages } from './rtsp-messages.ts'

interface RtspResponsesOptions {
  /** The address of a redirect for FFmpeg; throws for a forbidden one. */
  redirect(location: string): string
  relays: Pick<RtpRelays, 'answered'>
}

/** What a camera sends over RTSP, for FFmpeg: redirects are replaced, and RTP comes from the relays alone. */
export class RtspResponses extends RtspMessages {
  readonly #options: RtspResponsesOptions

  constructor(options: RtspResponsesOptions) {
    super()
    this.#options = options
  }

  protected override rewrite(first: string, headers: readonly Header[]): string[] {
    const status = /^RTSP\/\d\.\d (\d{3})(?: |$)/.exec(first)?.[1]
    if (status === undefined && /^\s*RTSP/i.test(first)) throw new Error('malformed status')
    const isRedirect = status?.startsWith('3')
    const kept = headers.flatMap(({ name, value, line }) => {
      if (name === 'transport') return `Transport: ${this.#options.relays.answered(value)}`
      if (name !== 'location') return line
      return isRedirect ? `Location: ${this.#options.redirect(value.trim())}` : []
    })
    if (isRedirect && !kept.some((line) => line.startsWith('Location: '))) throw new Error('no location')
    return [first, ...kept]
  }
}

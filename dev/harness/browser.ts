import { type Browser, chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
]

const FAKE_DEVICES = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

interface BrowserOptions {
  executablePath?: string
  /** An origin that is trusted as if it were HTTPS. */
  trusted?: string
  /** A WAV file that its microphone repeats; pages get it without a question. */
  microphone?: string
  /** Further flags. */
  flags?: readonly string[]
}

/** The policy of a network without UDP: WebRTC may use a proxy only. */
export const NO_UDP = '--webrtc-ip-handling-policy=disable_non_proxied_udp'

/** Debian's Chromium, headless, with a profile of its own. */
export function launchBrowser({
  executablePath = '/usr/bin/chromium',
  trusted,
  microphone,
  flags = [],
}: BrowserOptions = {}): Promise<Browser> {
  const args = [
    ...FLAGS,
    ...flags,
    ...(trusted ? [`--unsafely-treat-insecure-origin-as-secure=${trusted}`] : []),
    ...(microphone ? [...FAKE_DEVICES, `--use-file-for-fake-audio-capture=${microphone}`] : []),
  ]
  return chromium.launch({ executablePath, headless: true, args })
}

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
}

/** Debian's Chromium, headless, with a profile of its own. */
export function launchBrowser({
  executablePath = '/usr/bin/chromium',
  trusted,
  microphone,
}: BrowserOptions = {}): Promise<Browser> {
  const args = [
    ...FLAGS,
    ...(trusted ? [`--unsafely-treat-insecure-origin-as-secure=${trusted}`] : []),
    ...(microphone ? [...FAKE_DEVICES, `--use-file-for-fake-audio-capture=${microphone}`] : []),
  ]
  return chromium.launch({ executablePath, headless: true, args })
}

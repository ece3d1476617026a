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

interface BrowserOptions {
  executablePath?: string
  /** An origin that is trusted as if it were HTTPS. */
  trusted?: string
}

/** Debian's Chromium, headless, with a profile of its own. */
export function launchBrowser({
  executablePath = '/usr/bin/chromium',
  trusted,
}: BrowserOptions = {}): Promise<Browser> {
  const args = trusted ? [...FLAGS, `--unsafely-treat-insecure-origin-as-secure=${trusted}`] : FLAGS
  return chromium.launch({ executablePath, headless: true, args })
}

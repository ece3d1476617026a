/// <reference lib="dom" />
import type { Page } from 'playwright-core'

/** Holds the stick of the viewer page: a motor command every 50 ms while its data channel is open, until {@link letGo}. */
export function holdStick(page: Page): Promise<void> {
  return page.evaluate(() => {
    const timer = setInterval(() => {
      const { channel } = globalThis.wimz
      if (channel?.readyState === 'open') channel.send('{"command":"motor","left":0.5,"right":0.5}')
    }, 50)
    Object.assign(globalThis, { letGo: () => clearInterval(timer) })
  })
}

/** Lets go without a word. */
export const letGo = (page: Page) => page.evaluate(() => (globalThis as unknown as { letGo(): void }).letGo())

import { setTimeout as sleep } from 'node:timers/promises'
import { type PeerSession, startPeerSession } from '#test/e2e/peers/peer-session.ts'

/** An app on libwebrtc, which decodes. */
const PEER = { name: 'libwebrtc', command: [process.execPath, 'test/e2e/peers/wrtc-peer.ts'] } as const
/** How long a viewer of those that come and go watches, and how long after it the next one comes. */
const VISIT_MS = 20_000
const PAUSE_MS = 5_000

/** Apps that watch through the relay: one stays, the others come and go one after the other. */
export class Viewers implements AsyncDisposable {
  /** Viewers that came, watched and left. */
  visits = 0
  readonly problems: string[] = []
  readonly #relayPort: number
  readonly #resident: PeerSession
  readonly #closing = new AbortController()
  #visiting = Promise.resolve()
  #framesRead = 0

  private constructor(relayPort: number, resident: PeerSession) {
    this.#relayPort = relayPort
    this.#resident = resident
  }

  static async open(relayPort: number): Promise<Viewers> {
    const resident = await startPeerSession(relayPort, PEER)
    await resident.more(1)
    const viewers = new Viewers(relayPort, resident)
    viewers.read()
    viewers.#visiting = viewers.#comeAndGo()
    return viewers
  }

  /** Of the viewer that stays, since the last call: decoded frames, and the longest interval between two of them, ms. */
  read(): { frames: number; longestGap: number } {
    const { length } = this.#resident.frames
    const frames = length - this.#framesRead
    this.#framesRead = length
    return { frames, longestGap: this.#resident.longestGap() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#visiting
    await this.#resident[Symbol.asyncDispose]()
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await using visitor = await startPeerSession(this.#relayPort, PEER)
        await visitor.more(1)
        await this.#wait(VISIT_MS)
        await visitor.leave()
        this.visits++
      } catch (err) {
        this.problems.push(`visitor ${this.visits + 1}: ${String(err)}`)
      }
      await this.#wait(PAUSE_MS)
    }
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined)
  }
}

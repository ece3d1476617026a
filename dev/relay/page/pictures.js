import { decode } from './photo.js'
import { element, write } from './view.js'

/** Between two requests: four pictures a second where the connection is fast enough. */
const INTERVAL_MS = 250
/** A request without an answer is sent again after this time. */
const ANSWER_MS = 3_000
/** Pictures start when video has been missing for this long. */
const PATIENCE_MS = 4_000
/** Without a new picture for this long, the last one is hidden. */
const OLD_MS = 3_000
/** The robot may answer with a frame that it captured this long before the request. */
const CAPTURED_BEFORE_MS = 200
/** The rate on the page is of this time. */
const RATE_OVER_MS = 3_000
const CHECK_EVERY_MS = 250

/** Phases of the player without video that the user has not chosen. */
const LACKING = new Set(['waiting', 'asking', 'connecting', 'stalled', 'unsupported'])

/**
 * Still pictures through the relay while WebRTC does not connect; the player keeps retrying it. Each picture is requested when the
 * last one has arrived, so that a slow connection makes them fewer and not older. A hidden page requests none.
 */
export class Pictures {
  /** Whether pictures are on the screen. */
  shown = false
  #image = /** @type {HTMLImageElement} */ (element('picture'))
  #lackingSince = performance.now()
  /** When each of the last pictures was shown. @type {number[]} */
  #times = []
  #askedAt = Number.NEGATIVE_INFINITY
  #pending = false
  #timer = 0
  #url = ''

  /**
   * @param {{ send: (frame: object) => boolean, player: import('./player.js').Player, onChange: () => void,
   *   onPicture: (age: number) => void }} options `age`: the greatest that the picture may have, ms
   */
  constructor({ send, player, onChange, onPicture }) {
    this.send = send
    this.player = player
    this.onChange = onChange
    this.onPicture = onPicture
    setInterval(() => this.#check(), CHECK_EVERY_MS)
  }

  /** A `snapshot` of the relay. @param {any} frame */
  received({ data }) {
    const bytes = typeof data === 'string' ? decode(data) : null
    if (!this.#pending || !bytes) return
    this.#pending = false
    void this.#show(bytes, this.#askedAt)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), this.#askedAt + INTERVAL_MS - performance.now())
  }

  get #wanted() {
    const { phase, robotOnline } = this.player
    if (!LACKING.has(phase) || !robotOnline || document.hidden) return false
    return phase === 'unsupported' || performance.now() - this.#lackingSince > PATIENCE_MS
  }

  #check() {
    const now = performance.now()
    const { phase, robotOnline } = this.player
    if (!LACKING.has(phase) || !robotOnline || document.hidden) this.#lackingSince = now
    if (!this.#wanted) this.#end()
    else if (now - this.#askedAt > ANSWER_MS) this.#ask()
    this.#times = this.#times.filter((at) => now - at < RATE_OVER_MS)
    const shown = this.#wanted && now - (this.#times.at(-1) ?? Number.NEGATIVE_INFINITY) < OLD_MS
    if (shown) this.#describe(now)
    if (shown === this.shown) return
    this.shown = shown
    this.#image.hidden = !shown
    element('fallback').hidden = !shown
    this.onChange()
  }

  #ask() {
    if (!this.#wanted) return
    this.#askedAt = performance.now()
    this.#pending = this.send({ type: 'snapshot_request' })
  }

  #end() {
    clearTimeout(this.#timer)
    this.#pending = false
    this.#times = []
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes @param {number} askedAt */
  async #show(bytes, askedAt) {
    const url = URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' }))
    const image = new Image()
    image.src = url
    try {
      await image.decode()
    } catch {
      URL.revokeObjectURL(url)
      return // no JPEG: the last picture stays
    }
    if (this.#url) URL.revokeObjectURL(this.#url)
    this.#url = url
    this.#image.src = url
    const now = performance.now()
    this.#times.push(now)
    this.onPicture(now - askedAt + CAPTURED_BEFORE_MS)
  }

  /** @param {number} now */
  #describe(now) {
    const [first = now] = this.#times
    const seconds = Math.max(1, (now - first) / 1_000)
    const rate = Math.max(1, Math.round((this.#times.length - 1) / seconds))
    const { whyNot, viewing } = this.player
    const why = whyNot || viewing?.whyNot || 'the robot made no offer'
    write(element('fallback-why'), `WebRTC could not connect (${why}): pictures`)
    write(element('fallback-rate'), `, ${rate} a second`)
  }
}

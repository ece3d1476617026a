import { element, setAnswer } from './view.js'

/** Ms between two drive commands: the robot stops 500 ms after the last (API_CONTRACT 3.3). */
const EVERY = 66
/** Each may be lost, so a zero is said more than once. */
const ZEROS = 4
/** How fast straight on and on the spot, as shares of full power. */
const FORWARD = 0.6
const TURN = 0.4
/** A press of a button that has no beginning and end, such as a screen reader's, ms. */
const NUDGE = 300

/** Where a key or a button goes: right, forward. @type {Map<string, [number, number]>} */
const WAYS = new Map([
  ['ArrowUp', [0, 1]],
  ['ArrowDown', [0, -1]],
  ['ArrowLeft', [-1, 0]],
  ['ArrowRight', [1, 0]],
  ['KeyW', [0, 1]],
  ['KeyS', [0, -1]],
  ['KeyA', [-1, 0]],
  ['KeyD', [1, 0]],
])

/**
 * Drives with keys or the pad, once somebody has asked for it: an arrow key that was meant to scroll moves no robot.
 * Whatever ends a press ends the motion: release, focus elsewhere, a hidden page, a channel that is gone.
 */
export class Drive {
  /** Keys that are down. @type {Set<string>} */
  #keys = new Set()
  /** Where the pad is held: right, forward. @type {[number, number] | null} */
  #stick = null
  #pointer = -1
  #armed = false
  #zeros = 0
  #seq = 0
  #timer = 0

  /** @param {{ channel: () => RTCDataChannel | null, stop: () => void }} ways to the robot */
  constructor({ channel, stop }) {
    this.channel = channel
    this.stop = stop
    this.toggle = /** @type {HTMLButtonElement} */ (element('drive'))
    this.pad = element('pad')
    this.toggle.onclick = () => {
      this.#arm(!this.#armed)
      setAnswer(this.#armed ? 'Hold an arrow key, W A S D or the pad. Space stops.' : '')
    }
    addEventListener('keydown', (event) => this.#keyDown(event))
    addEventListener('keyup', ({ code }) => {
      if (this.#keys.delete(code)) this.#changed()
    })
    addEventListener('blur', () => this.#letGo())
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#letGo()
    })
    this.#listenToPad()
  }

  /** Whether there is a channel to drive over. @param {boolean} can */
  enable(can) {
    this.toggle.disabled = !can
    if (!can) this.#arm(false)
  }

  /** @param {boolean} on */
  #arm(on) {
    this.#letGo()
    this.#armed = on
    this.toggle.setAttribute('aria-pressed', String(on))
    this.pad.hidden = !on
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    const { code, target, repeat } = event
    const elsewhere = event.ctrlKey || event.altKey || event.metaKey || target instanceof HTMLSelectElement
    if (!this.#armed || elsewhere) return
    if (code === 'Escape') this.#arm(false)
    if (code !== 'Space' && !WAYS.has(code)) return
    event.preventDefault() // neither scrolls nor presses the button that has the focus
    if (repeat) return // what was let go by a stop or a lost channel must be pressed anew
    if (code === 'Space') {
      this.#letGo()
      this.stop()
    } else {
      this.#keys.add(code)
      this.#changed()
    }
  }

  #listenToPad() {
    const { pad } = this
    pad.onpointerdown = (event) => {
      if (this.#pointer !== -1 || event.button !== 0) return
      event.preventDefault()
      this.#pointer = event.pointerId
      pad.setPointerCapture(event.pointerId)
      this.#point(event)
    }
    pad.onpointermove = (event) => {
      if (event.pointerId === this.#pointer) this.#point(event)
    }
    const end = (/** @type {PointerEvent} */ { pointerId }) => {
      if (pointerId !== this.#pointer) return
      this.#pointer = -1
      this.#point(null)
    }
    pad.onpointerup = pad.onpointercancel = pad.onlostpointercapture = end
    pad.onclick = ({ target, detail }) => {
      const way = target instanceof HTMLElement ? WAYS.get(target.dataset.way ?? '') : undefined
      if (detail !== 0 || !way) return // a pointer was held, not a button pressed
      this.#move(way)
      setTimeout(() => this.#move(null), NUDGE)
    }
  }

  /** @param {PointerEvent | null} event */
  #point(event) {
    if (!event) return this.#move(null)
    const { left, top, width, height } = this.pad.getBoundingClientRect()
    const right = ((event.clientX - left) / width) * 2 - 1
    const forward = 1 - ((event.clientY - top) / height) * 2
    const reach = Math.max(1, Math.hypot(right, forward) / 0.75)
    this.#move([right / 0.75 / reach, forward / 0.75 / reach])
  }

  /** @param {[number, number] | null} stick */
  #move(stick) {
    this.#stick = this.#armed ? stick : null
    this.#changed()
  }

  #letGo() {
    this.#keys.clear()
    this.#stick = null
    this.#pointer = -1
    this.#changed()
  }

  get #way() {
    if (this.#stick) return this.#stick
    const ways = Array.from(this.#keys, (code) => WAYS.get(code) ?? [0, 0])
    const sum = (/** @type {number} */ axis) =>
      Math.sign(ways.reduce((all, way) => all + (way[axis] ?? 0), 0))
    return [sum(0), sum(1)]
  }

  get #held() {
    return this.#stick !== null || this.#keys.size > 0
  }

  /** Something was pressed or let go: says so now, and again and again. */
  #changed() {
    const [right = 0, forward = 0] = this.#way
    this.pad.style.setProperty('--right', String(right))
    this.pad.style.setProperty('--forward', String(forward))
    this.pad.classList.toggle('held', this.#held)
    if (this.#held) this.#zeros = ZEROS
    if (this.#zeros === 0) return
    const begins = !this.#timer
    if (begins) this.#timer = setInterval(() => this.#say(), EVERY)
    // a stick that moves changes more often than is worth saying
    if (begins || this.#stick === null) this.#say()
  }

  #say() {
    const way = this.channel()
    if (way?.readyState !== 'open') this.#zeros = 0
    else way.send(JSON.stringify({ type: 'motor', ...this.#speeds(), seq: ++this.#seq, ts: Date.now() }))
    if (!this.#held && --this.#zeros <= 0) {
      clearInterval(this.#timer)
      this.#timer = 0
      this.#zeros = 0
    }
  }

  #speeds() {
    const [right = 0, forward = 0] = this.#held ? this.#way : []
    const turn = right * TURN
    return { left: clamp(forward * FORWARD + turn), right: clamp(forward * FORWARD - turn) }
  }
}

/** @param {number} speed */
function clamp(speed) {
  return Math.round(Math.min(1, Math.max(-1, speed)) * 100) / 100
}

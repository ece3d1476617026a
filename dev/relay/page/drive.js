import { clearAnswer, setAnswer } from './answers.js'
import { newId } from './relay-link.js'
import { element, write } from './view.js'

/** Between two drive commands; the robot stops 500 ms after the last one (docs/motor-safety.md). */
const INTERVAL_MS = 66
/** Each message may be lost, so a zero is sent several times. */
const ZEROS = 4
/** Speed forward and when turning on the spot, as shares of full power. */
const FORWARD = 0.6
const TURN = 0.4
/** Motion after a click without press and release, such as a screen reader's. */
const NUDGE_MS = 300

const LOCKED = 'Driving is locked: the picture stands still or is old.'
/** Title of the button. */
const KEYS = 'Arrow keys or W A S D; space stops; Esc ends'
/** What the robot reported before it knew of a take-over is ignored for this long. */
const TAKE_OVER_MS = 1_000
const TAKEN = 'Another viewer drives now.'
const HINT = 'Hold an arrow key, W A S D or the pad. Space stops.'

/** Direction of a key or a button: right, forward. @type {Map<string, [number, number]>} */
const DIRECTIONS = new Map([
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
 * Drives with keys or the pad after the user has armed it, so that an arrow key that scrolls moves no robot. Release,
 * loss of focus, a hidden page and a closed channel all end the motion.
 */
export class Drive {
  /** Keys that are down. @type {Set<string>} */
  #keys = new Set()
  /** Position on the pad: right, forward. @type {[number, number] | null} */
  #stick = null
  #pointer = -1
  #armed = false
  /** Whether another viewer drives; arming takes over. */
  #isOthers = false
  #tookOverAt = Number.NEGATIVE_INFINITY
  #fresh = false
  #overridden = false
  #zeros = 0
  #seq = 0
  #timer = 0

  /**
   * @param {{ channel: () => RTCDataChannel | null, stop: () => void, onArmed: (armed: boolean) => void }} options
   */
  constructor({ channel, stop, onArmed }) {
    this.channel = channel
    this.stop = stop
    this.onArmed = onArmed
    this.override = element('override')
    this.override.onclick = () => {
      this.#overridden = true
      this.#showLock()
      this.pad.querySelector('button')?.focus()
    }
    this.toggle = /** @type {HTMLButtonElement} */ (element('drive'))
    this.pad = element('pad')
    this.toggle.onclick = () => {
      if (!this.#armed && this.#isOthers) this.#takeOver()
      this.#arm(!this.#armed)
      if (this.#armed) setAnswer(HINT, 'waiting', { cause: HINT })
      else clearAnswer(HINT)
    }
    addEventListener('keydown', (event) => this.#keyDown(event))
    addEventListener('keyup', ({ code }) => {
      if (this.#keys.delete(code)) this.#changed()
    })
    addEventListener('blur', () => this.#release())
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#release()
    })
    this.#listenToPad()
  }

  /** Whether there is a channel to drive over. @param {boolean} can */
  enable(can) {
    this.toggle.disabled = !can
    if (!can) this.#arm(false)
  }

  /** Which viewer drives, as the robot reports it. @param {unknown} driver `this`, `other` or `none` */
  setDriver(driver) {
    const isOthers = driver === 'other' && performance.now() - this.#tookOverAt > TAKE_OVER_MS
    if (isOthers === this.#isOthers) return
    this.#isOthers = isOthers
    write(this.toggle, isOthers ? 'Take over' : 'Drive')
    this.toggle.title = isOthers ? TAKEN : KEYS
    if (!isOthers || !this.#armed) return
    this.#arm(false)
    setAnswer(TAKEN, 'bad')
  }

  /** The channel may lose one; the button then still says so, and another press repeats it. */
  #takeOver() {
    const channel = this.channel()
    if (channel?.readyState === 'open') channel.send(JSON.stringify({ type: 'take_over', id: newId() }))
    this.#tookOverAt = performance.now()
    this.#isOthers = false
    write(this.toggle, 'Drive')
  }

  /** Whether the picture shows the present; driving is locked without. @param {boolean} fresh */
  setFresh(fresh) {
    this.#fresh = fresh
    if (this.#locked) this.#release()
    this.#showLock()
  }

  get #locked() {
    return !this.#fresh && !this.#overridden
  }

  #showLock() {
    const isLocked = this.#armed && this.#locked
    this.override.hidden = !isLocked
    this.pad.classList.toggle('locked', isLocked)
    if (isLocked) setAnswer(LOCKED, 'bad', { cause: LOCKED })
    else clearAnswer(LOCKED)
  }

  /** @param {boolean} on */
  #arm(on) {
    this.#release()
    if (on !== this.#armed) this.onArmed(on)
    this.#armed = on
    this.#overridden = false
    this.toggle.setAttribute('aria-pressed', String(on))
    this.pad.hidden = !on
    this.#showLock()
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    const { code, target, repeat } = event
    // while no motion is possible, space presses the control that has the focus
    if (code === 'Space' && (this.#armed || target === document.body)) {
      event.preventDefault()
      this.#release()
      if (!repeat) this.stop()
      return
    }
    const elsewhere = event.ctrlKey || event.altKey || event.metaKey || target instanceof HTMLSelectElement
    if (!this.#armed || elsewhere) return
    if (code === 'Escape') this.#arm(false)
    if (!DIRECTIONS.has(code)) return
    event.preventDefault() // neither scrolls nor presses the button that has the focus
    if (repeat || this.#locked) return // after a stop or a lost channel the key must be pressed again
    this.#keys.add(code)
    this.#changed()
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
      const direction = target instanceof HTMLElement ? DIRECTIONS.get(target.dataset.way ?? '') : undefined
      if (detail !== 0 || !direction) return // a pointer press, handled above
      this.move(direction)
      setTimeout(() => this.move(null), NUDGE_MS)
    }
  }

  /** @param {PointerEvent | null} event */
  #point(event) {
    if (!event) return this.move(null)
    const { left, top, width, height } = this.pad.getBoundingClientRect()
    const right = ((event.clientX - left) / width) * 2 - 1
    const forward = 1 - ((event.clientY - top) / height) * 2
    const reach = Math.max(1, Math.hypot(right, forward) / 0.75)
    this.move([right / 0.75 / reach, forward / 0.75 / reach])
  }

  /** The position of a stick; null when it is released. @param {[right: number, forward: number] | null} stick */
  move(stick) {
    this.#stick = this.#armed && !this.#locked ? stick : null
    this.#changed()
  }

  #release() {
    this.#keys.clear()
    this.#stick = null
    this.#pointer = -1
    this.#changed()
  }

  get #direction() {
    if (this.#stick) return this.#stick
    const directions = Array.from(this.#keys, (code) => DIRECTIONS.get(code) ?? [0, 0])
    const sum = (/** @type {number} */ axis) =>
      Math.sign(directions.reduce((all, direction) => all + (direction[axis] ?? 0), 0))
    return [sum(0), sum(1)]
  }

  get #held() {
    return this.#stick !== null || this.#keys.size > 0
  }

  /** Sends the new speeds now, and again at each interval. */
  #changed() {
    const [right = 0, forward = 0] = this.#direction
    this.pad.style.setProperty('--right', String(right))
    this.pad.style.setProperty('--forward', String(forward))
    this.pad.classList.toggle('held', this.#held)
    if (this.#held) this.#zeros = ZEROS
    if (this.#zeros === 0) return
    const begins = !this.#timer
    if (begins) this.#timer = setInterval(() => this.#send(), INTERVAL_MS)
    // a moving stick changes too often to send each change
    if (begins || this.#stick === null) this.#send()
  }

  #send() {
    const channel = this.channel()
    if (channel?.readyState !== 'open') this.#zeros = 0
    else channel.send(JSON.stringify({ type: 'motor', ...this.#speeds(), seq: ++this.#seq, ts: Date.now() }))
    if (!this.#held && --this.#zeros <= 0) {
      clearInterval(this.#timer)
      this.#timer = 0
      this.#zeros = 0
    }
  }

  #speeds() {
    const [right = 0, forward = 0] = this.#held ? this.#direction : []
    const turn = right * TURN
    return { left: clamp(forward * FORWARD + turn), right: clamp(forward * FORWARD - turn) }
  }
}

/** @param {number} speed */
function clamp(speed) {
  return Math.round(Math.min(1, Math.max(-1, speed)) * 100) / 100
}

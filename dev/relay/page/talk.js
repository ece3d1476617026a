import { setAnswer } from './answers.js'
import { element } from './view.js'

/** The robot ends a talk that is not repeated for 1.5 s; a message may be lost. */
const REPEAT_MS = 400
/** The end is sent so often, at this interval. */
const ENDS = 3
const END_INTERVAL_MS = 60
/** The microphone is closed after this time without a talk. */
const KEEP_MICROPHONE_MS = 20_000
const KEY = 'KeyT'
const METER_INTERVAL_MS = 100
/** A voice: one channel, without the robot's own sound and the noise of the room, as loud as others. Browsers differ in what they assume. */
const VOICE = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true }

/**
 * Speaks to the robot while the button or the key T is held. Asks for the microphone inside the gesture, as iOS requires. Space
 * is Stop, so it never talks.
 */
export class Talk {
  /** Count of presses, by which the robot tells a repeated message from a new press. */
  #press = 0
  #held = false
  /** @type {MediaStream | null} */
  #microphone = null
  #timer = 0
  #closeTimer = 0
  #meterTimer = 0
  /** Who talks by the robot. @type {'you' | 'other' | null} */
  #by = null
  /** Whether the robot has played this press. */
  #granted = false

  /** @param {{ channel: () => RTCDataChannel | null, transceiver: () => RTCRtpTransceiver | null }} options */
  constructor({ channel, transceiver }) {
    this.channel = channel
    this.transceiver = transceiver
    this.button = /** @type {HTMLButtonElement} */ (element('talk'))
    this.note = element('talk-note')
    this.level = /** @type {HTMLMeterElement} */ (element('talk-level'))
    this.#listen()
  }

  /** Shows the button where the robot has a speaker. @param {boolean} open whether the data channel is open */
  enable(open) {
    const can = this.transceiver() !== null
    element('talk-box').hidden = !can
    this.button.disabled = !(can && open)
    if (!can || !open) this.#release()
  }

  /** A message `talk` of the robot. @param {any} message */
  received({ by }) {
    this.#by = by === 'you' || by === 'other' ? by : null
    if (this.#held && this.#by === 'you') this.#granted = true
    else if (this.#held && this.#granted) {
      this.#release()
      setAnswer(by === 'other' ? 'Someone else is talking now.' : 'The talk has ended.', 'bad')
    }
    this.#show()
  }

  #listen() {
    const { button } = this
    button.onpointerdown = (event) => {
      if (event.button !== 0) return
      event.preventDefault() // iOS selects text and shows a menu otherwise
      button.setPointerCapture(event.pointerId)
      this.#hold()
    }
    button.onpointerup = button.onpointercancel = button.onlostpointercapture = () => this.#release()
    button.oncontextmenu = (event) => event.preventDefault()
    // a screen reader clicks: the first click begins, the second ends
    button.onclick = ({ detail }) => {
      if (detail !== 0) return // of a pointer, handled above
      if (this.#held) this.#release()
      else this.#hold()
    }
    addEventListener('keydown', (event) => {
      const isText = event.target instanceof HTMLSelectElement || event.target instanceof HTMLInputElement
      if (event.code !== KEY || event.ctrlKey || event.altKey || event.metaKey || isText) return
      if (button.disabled || event.repeat) return
      this.#hold()
    })
    addEventListener('keyup', ({ code }) => {
      if (code === KEY) this.#release()
    })
    addEventListener('blur', () => this.#release())
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#release()
    })
  }

  #hold() {
    if (this.#held || this.button.disabled) return
    this.#held = true
    this.#granted = false
    this.#press++
    clearTimeout(this.#closeTimer)
    this.#show()
    const press = this.#press
    this.#open().then(
      () => this.#begin(press),
      (err) => this.#failed(err),
    )
  }

  /** Begins to talk, if the button is still held. @param {number} press */
  async #begin(press) {
    const [track = null] = this.#microphone?.getAudioTracks() ?? []
    if (!this.#held || press !== this.#press || !track) return this.#keep()
    track.enabled = true
    const { sender } = this.transceiver() ?? {}
    if (sender?.track !== track) await sender?.replaceTrack(track)
    if (!this.#held || press !== this.#press) return
    this.#send(true)
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#send(true), REPEAT_MS)
    this.#meter()
  }

  #release() {
    if (!this.#held) return
    this.#held = false
    clearInterval(this.#timer)
    clearInterval(this.#meterTimer)
    this.level.value = 0
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = false
    const press = this.#press
    for (let n = 0; n < ENDS; n++) {
      setTimeout(() => {
        if (press === this.#press && !this.#held) this.#send(false)
      }, n * END_INTERVAL_MS)
    }
    this.#keep()
    this.#show()
  }

  /** Closes the microphone after a while: the browser shows that it is open. */
  #keep() {
    clearTimeout(this.#closeTimer)
    this.#closeTimer = setTimeout(() => this.#close(), KEEP_MICROPHONE_MS)
  }

  #close() {
    if (this.#held) return
    for (const track of this.#microphone?.getTracks() ?? []) track.stop()
    this.#microphone = null
    void this.transceiver()?.sender.replaceTrack(null)
  }

  /** Opens the microphone, or takes the one that is open. */
  async #open() {
    if (this.#microphone?.active) return
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error('This browser gives a microphone to secure pages only: open this page over HTTPS.')
    }
    this.#microphone = await navigator.mediaDevices.getUserMedia({ audio: VOICE })
    for (const track of this.#microphone.getAudioTracks()) track.enabled = false
  }

  /** @param {unknown} err */
  #failed(err) {
    this.#release()
    const { name = '', message = '' } = err instanceof Error ? err : {}
    const known = {
      NotAllowedError: 'This page may not use the microphone. Allow it in the settings of the browser.',
      NotFoundError: 'This device has no microphone.',
      NotReadableError: 'Another program has the microphone.',
    }
    setAnswer(known[/** @type {keyof typeof known} */ (name)] ?? message, 'bad')
  }

  /** @param {boolean} active */
  #send(active) {
    const channel = this.channel()
    if (channel?.readyState !== 'open') return
    channel.send(JSON.stringify({ type: 'talk', active, press: this.#press }))
  }

  /** Shows the level of the microphone, by the statistics of its track. */
  #meter() {
    clearInterval(this.#meterTimer)
    this.#meterTimer = setInterval(async () => {
      const stats = await this.transceiver()?.sender.getStats()
      const source = [...(stats?.values() ?? [])].find(({ type }) => type === 'media-source')
      if (this.#held) this.level.value = Math.sqrt(source?.audioLevel ?? 0)
    }, METER_INTERVAL_MS)
  }

  #show() {
    const { button } = this
    button.setAttribute('aria-pressed', String(this.#held))
    this.note.textContent = this.#text()
  }

  #text() {
    if (this.#held) return this.#by === 'you' ? 'The robot plays your voice.' : 'Opening…'
    return this.#by === 'other' ? 'Someone else is talking.' : ''
  }
}

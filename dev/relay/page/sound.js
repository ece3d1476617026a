import { setAnswer } from './answers.js'
import { element, write } from './view.js'

/** The robot is told again whether its sound is heard: a message may be lost. */
const REPEAT_MS = 2_000
const METER_INTERVAL_MS = 100

/** What is shown of the robot's microphone while its sound is on, by its state. @type {Record<string, string>} */
const NOTES = {
  none: 'The robot has no microphone.',
  failed: 'No microphone',
  privacy: 'Privacy is on.',
  mode: 'The robot does not listen in this mode.',
  clip: 'The robot is playing a clip.',
  talk: 'The robot is playing a voice.',
}

/**
 * Hears the robot: the button, the level, and why nothing is heard. While the sound is off, the robot sends none, and shows
 * each frame at once instead of in step with the sound.
 */
export class Sound {
  #timer = 0
  #meterTimer = 0
  /** The last message of the robot. @type {{ state?: unknown, reason?: unknown }} */
  #state = {}

  /** @param {{ video: HTMLVideoElement, channel: () => RTCDataChannel | null, pc: () => RTCPeerConnection | null }} options */
  constructor({ video, channel, pc }) {
    this.video = video
    this.channel = channel
    this.pc = pc
    this.button = element('sound')
    this.note = element('sound-note')
    this.level = /** @type {HTMLMeterElement} */ (element('sound-level'))
    this.button.onclick = () => this.#toggle()
  }

  /** @param {boolean} open whether the data channel is open */
  enable(open) {
    clearInterval(this.#timer)
    if (!open) return
    this.#tell()
    this.#timer = setInterval(() => this.#tell(), REPEAT_MS)
  }

  /** A message `sound` of the robot. @param {any} message */
  received(message) {
    this.#state = message
    this.#show()
  }

  #toggle() {
    const { video } = this
    video.muted = !video.muted
    // inside the gesture, or the browser refuses to play sound
    if (!video.muted) {
      video.play().catch(() => {
        video.muted = true
        this.#changed()
        setAnswer('This browser does not play sound on this page.', 'bad')
      })
    }
    this.#changed()
  }

  #changed() {
    const on = !this.video.muted
    this.button.setAttribute('aria-pressed', String(on))
    this.level.hidden = !on
    clearInterval(this.#meterTimer)
    if (on) this.#meterTimer = setInterval(() => void this.#measure(), METER_INTERVAL_MS)
    this.#tell()
    this.#show()
  }

  #tell() {
    const channel = this.channel()
    if (channel?.readyState !== 'open') return
    channel.send(JSON.stringify({ type: 'sound', on: !this.video.muted }))
  }

  async #measure() {
    const receiver = this.pc()
      ?.getReceivers()
      .find(({ track }) => track.kind === 'audio')
    const stats = await receiver?.getStats()
    const inbound = [...(stats?.values() ?? [])].find(({ type }) => type === 'inbound-rtp')
    // loudness is felt by the logarithm; this is near enough, and 0 at silence
    this.level.value = this.video.muted ? 0 : Math.sqrt(inbound?.audioLevel ?? 0)
  }

  #show() {
    const { state, reason } = this.#state
    const key = state === 'muted' ? String(reason) : String(state)
    const text = this.video.muted ? '' : (NOTES[key] ?? '')
    const detail = state === 'failed' && typeof reason === 'string' ? `: ${reason.slice(0, 120)}` : ''
    write(this.note, text && `${text}${detail}`)
  }
}

import { newId } from './relay-link.js'
import { element, setAnswer, showEvent } from './view.js'

const MAX_PENDING = 20
/** The data channel may lose a message: a stop is sent again after these times. */
const STOP_REPEATS_MS = [50, 150]

/** The command buttons, and the robot's acknowledgments. */
export class Commands {
  /** Id of a command → its name on the page. @type {Map<string, string>} */
  #pending = new Map()

  /** @param {{ send: (frame: object) => boolean, channel: () => RTCDataChannel | null }} options */
  constructor({ send, channel }) {
    this.send = send
    this.channel = channel
    element('treat').onclick = () => this.#command('dispense_treat', { count: 1 }, 'Treat')
    element('photo').onclick = () => this.#command('take_photo', { with_hud: false }, 'Photo')
    element('stop').onclick = () => this.stop('stop', 'Stop')
    const quality = /** @type {HTMLSelectElement} */ (element('quality'))
    quality.onchange = () => {
      const name = quality.selectedOptions[0]?.textContent ?? quality.value
      this.#command('set_video_quality', { mode: quality.value }, `${name} quality`)
    }
  }

  /** Stops the motors, over relay and data channel. @param {'stop' | 'emergency_stop'} type @param {string} name */
  stop(type, name) {
    const id = this.#command(type, {}, name)
    const send = () => {
      const channel = this.channel()
      if (channel?.readyState === 'open') channel.send(JSON.stringify({ type, id }))
    }
    send()
    for (const after of STOP_REPEATS_MS) setTimeout(send, after)
  }

  /** Enables the buttons while a robot is online. Stop is always enabled. @param {boolean} can */
  enable(can) {
    for (const id of ['treat', 'photo', 'quality']) element(id).toggleAttribute('disabled', !can)
  }

  /** Every app gets every acknowledgment; those of older robots have no id. @param {any} ack of the relay or the data channel */
  acknowledged({ id, command, success, error }) {
    const name = this.#pending.get(id) ?? String(command).replaceAll('_', ' ')
    const answer = success ? 'done' : String(error ?? 'failed')
    if (id === undefined || this.#pending.has(id)) setAnswer(`${name}: ${answer}`, success ? 'good' : 'bad')
    showEvent(name, answer)
  }

  /** @param {string} command @param {object} data @param {string} name @returns {string} its id */
  #command(command, data, name) {
    const id = newId()
    const [oldest] = this.#pending.keys()
    if (this.#pending.size >= MAX_PENDING && oldest) this.#pending.delete(oldest)
    this.#pending.set(id, name)
    setAnswer(`${name}…`)
    const sent = this.send({ type: 'command', command, data, timestamp: Date.now(), id })
    if (!sent) setAnswer(`${name}: no connection to the relay`, 'bad')
    return id
  }
}

import { newId } from './relay-link.js'
import { element, setAnswer, showEvent } from './view.js'

const MAX_ASKED = 20
/** The data channel loses some: a stop is said again after these times, ms. */
const STOP_AGAIN = [50, 150]

/** The buttons that make the robot do something, and what it answers. */
export class Commands {
  /** Id of a command → what the person calls it. @type {Map<string, string>} */
  #asked = new Map()

  /** @param {{ send: (frame: object) => boolean, channel: () => RTCDataChannel | null }} ways to the robot */
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

  /** Stops the motors: both ways, whichever arrives first. @param {'stop' | 'emergency_stop'} type @param {string} name */
  stop(type, name) {
    const id = this.#command(type, {}, name)
    const say = () => {
      const way = this.channel()
      if (way?.readyState === 'open') way.send(JSON.stringify({ type, id }))
    }
    say()
    for (const after of STOP_AGAIN) setTimeout(say, after)
  }

  /** Whether there is a robot to take them. Stop can always be pressed. @param {boolean} can */
  enable(can) {
    for (const id of ['treat', 'photo', 'quality']) element(id).toggleAttribute('disabled', !can)
  }

  /** Every app hears every acknowledgement; an older robot's has no id. @param {any} ack of the relay or the data channel */
  acknowledged({ id, command, success, error }) {
    const name = this.#asked.get(id) ?? String(command).replaceAll('_', ' ')
    const answer = success ? 'done' : String(error ?? 'failed')
    if (id === undefined || this.#asked.has(id)) setAnswer(`${name}: ${answer}`, success ? 'good' : 'bad')
    showEvent(name, answer)
  }

  /** @param {string} command @param {object} data @param {string} name @returns {string} its id */
  #command(command, data, name) {
    const id = newId()
    const [oldest] = this.#asked.keys()
    if (this.#asked.size >= MAX_ASKED && oldest) this.#asked.delete(oldest)
    this.#asked.set(id, name)
    setAnswer(`${name}…`)
    const sent = this.send({ type: 'command', command, data, timestamp: Date.now(), id })
    if (!sent) setAnswer(`${name}: the relay is away`, 'bad')
    return id
  }
}

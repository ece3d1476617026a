import { clearAnswer, nextOrder, SHOWN_MS, setAnswer } from './answers.js'
import { newId } from './relay-link.js'
import { element, LIMITS, showEvent } from './view.js'

const MAX_KEPT = 20
/** The data channel may lose a message: a stop is sent again after these times. */
const STOP_REPEATS_MS = [50, 150]
/** After a failure on one path, the other path has this long to report success. */
const OTHER_PATH_MS = 1_000
/** Cause of answers that end when the robot is back. */
const OFFLINE = 'robot offline'
const PHOTO = 'Photo'

/** @typedef {'relay' | 'data channel'} Path */
/**
 * A command until it is answered; kept a little longer, since a second path may answer as well.
 * @typedef {object} Sent
 * @property {string} name on the page
 * @property {number} order
 * @property {Set<Path>} paths over which it was sent
 * @property {Set<Path>} failed paths that reported a failure
 * @property {boolean} done
 * @property {number} timer
 */

/** The command buttons, and the robot's acknowledgments. */
export class Commands {
  /** By id, the oldest first. @type {Map<string, Sent>} */
  #sent = new Map()

  /**
   * @param {{ send: (frame: object) => boolean, isOnline: () => boolean, channel: () => RTCDataChannel | null }} options
   * `isOnline`: whether the relay has a connection to the robot
   */
  constructor({ send, isOnline, channel }) {
    this.send = send
    this.isOnline = isOnline
    this.channel = channel
    element('treat').onclick = () => this.#command('dispense_treat', { count: 1 }, 'Treat')
    element('photo').onclick = () => this.#command('take_photo', { with_hud: false }, PHOTO)
    element('stop').onclick = () => this.stop('stop', 'Stop')
    const quality = /** @type {HTMLSelectElement} */ (element('quality'))
    quality.onchange = () => {
      const name = quality.selectedOptions[0]?.textContent ?? quality.value
      this.#command('set_video_quality', { mode: quality.value }, `${name} quality`)
    }
  }

  /** Stops the motors, over relay and data channel. @param {'stop' | 'emergency_stop'} type @param {string} name */
  stop(type, name) {
    const id = newId()
    /** @type {Path[]} */
    const paths = []
    if (this.#sendOnChannel({ type, id })) paths.push('data channel')
    if (this.send({ type: 'command', command: type, data: {}, timestamp: Date.now(), id }))
      paths.push('relay')
    for (const after of STOP_REPEATS_MS) setTimeout(() => this.#sendOnChannel({ type, id }), after)
    this.#await(id, name, paths)
  }

  /** Enables the buttons while a path to the robot exists. Stop is always enabled. @param {boolean} can */
  enable(can) {
    for (const id of ['treat', 'photo', 'quality']) element(id).toggleAttribute('disabled', !can)
    if (can) clearAnswer(OFFLINE)
  }

  /**
   * Every app gets every acknowledgment of the relay; those of older robots have no id. A command that reached the robot on one
   * path has succeeded, whatever the other path reports.
   * @param {any} ack @param {Path} path
   */
  acknowledged({ id, command, success, accepted, error, ...facts }, path) {
    const sent = this.#sent.get(id)
    const done = accepted === true ? 'accepted' : `done${describeVideo(facts)}`
    const text = success ? done : String(error ?? 'failed')
    if (!sent) this.#ofAnotherApp(String(command).replaceAll('_', ' '), text, id === undefined, success)
    else if (sent.done) return
    else if (success) this.#succeeded(sent, text, path, accepted === true)
    else this.#failed(sent, text, path)
  }

  /** @param {string} name @param {string} text @param {boolean} isShown @param {boolean} success */
  #ofAnotherApp(name, text, isShown, success) {
    if (isShown) setAnswer(`${name}: ${text}`, success ? 'good' : 'bad')
    showEvent(name, text)
  }

  /** An error of the relay, which names no command: the last one that it was sent. @param {string} message */
  rejected(message) {
    const sent = [...this.#sent.values()].findLast(({ done, paths }) => !done && paths.has('relay'))
    if (sent) this.#failed(sent, message, 'relay')
  }

  /** @param {Sent} sent @param {string} text @param {Path} path @param {boolean} continues whether another result will follow */
  #succeeded(sent, text, path, continues) {
    clearTimeout(sent.timer)
    sent.done = !continues
    setAnswer(`${sent.name}: ${text}`, 'good', { order: sent.order })
    // the photo itself follows as an event
    if (sent.name !== PHOTO) showEvent(sent.name, `${text}, over the ${path}`)
  }

  /** @param {Sent} sent @param {string} text @param {Path} path */
  #failed(sent, text, path) {
    sent.failed.add(path)
    const report = () => {
      if (sent.done) return
      sent.done = true
      clearTimeout(sent.timer)
      setAnswer(`${sent.name}: ${text}`, 'bad', { order: sent.order, cause: OFFLINE })
      showEvent(sent.name, text)
    }
    if (sent.failed.size >= sent.paths.size) report()
    else setTimeout(report, OTHER_PATH_MS)
  }

  /** Over the relay or, where that does not reach the robot, over the data channel. @param {string} command @param {object} data @param {string} name */
  #command(command, data, name) {
    const id = newId()
    const frame = { type: 'command', command, data, timestamp: Date.now(), id }
    /** @type {Path[]} */
    const paths = []
    if (!this.isOnline() && this.#sendOnChannel(frame)) paths.push('data channel')
    else if (this.send(frame)) paths.push('relay')
    this.#await(id, name, paths)
  }

  /** @param {object} frame @returns {boolean} whether it could be sent */
  #sendOnChannel(frame) {
    const channel = this.channel()
    if (channel?.readyState !== 'open') return false
    channel.send(JSON.stringify(frame))
    return true
  }

  /** @param {string} id @param {string} name @param {Path[]} paths */
  #await(id, name, paths) {
    const [oldest] = this.#sent.keys()
    if (this.#sent.size >= MAX_KEPT && oldest) this.#sent.delete(oldest)
    const sent = { name, order: nextOrder(), paths: new Set(paths), failed: new Set(), done: false, timer: 0 }
    this.#sent.set(id, sent)
    if (paths.length === 0) {
      this.#failed(sent, 'not sent, neither the relay nor the robot is connected', 'relay')
      return
    }
    setAnswer(`${name}…`, 'waiting', { order: sent.order })
    const late = () =>
      setAnswer(`${name}: no answer after ${SHOWN_MS / 1_000} s`, 'bad', { order: sent.order })
    sent.timer = setTimeout(late, SHOWN_MS)
  }
}

/** The video that a quality delivers, and why it is smaller than chosen. @param {any} facts of the acknowledgment */
function describeVideo({ resolution, limited_by }) {
  if (typeof resolution !== 'string') return ''
  const size = resolution.slice(0, 11).replace('x', ' × ')
  return `: ${[size, LIMITS[limited_by]].filter(Boolean).join(', ')}`
}

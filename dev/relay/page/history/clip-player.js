import { element, write } from '../view.js'
import { clock, detailsOf, summaryOf, titleOf } from './describe.js'
import { clipUrl } from './history-api.js'

/** Frame rate of the robot's video; a recording may be slower, then a step shows the same frame twice. */
const FRAME_S = 1 / 15
const SKIP_S = 10
/** The event is seen to begin. */
const LEAD_S = 1

/** @typedef {import('./history-api.js').Item} Item */

/** Plays one recording. Keys: space, J and L (10 s), comma and period (frame), E (event), F (favorite), Delete. */
export class ClipPlayer {
  /** @type {Item | undefined} */
  clip
  #video = /** @type {HTMLVideoElement} */ (element('clip'))
  #speed = /** @type {HTMLSelectElement} */ (element('speed'))
  /** Index of the reason that was jumped to last. */
  #reason = -1

  /** @param {{ onFavorite: (clip: Item) => void, onDelete: (clip: Item) => void, canChange: () => boolean }} deps */
  constructor(deps) {
    this.deps = deps
    element('back').addEventListener('click', () => this.#step(-FRAME_S))
    element('forward').addEventListener('click', () => this.#step(FRAME_S))
    element('jump').addEventListener('click', () => this.jump())
    element('keep').addEventListener('click', () => this.#favorite())
    element('delete').addEventListener('click', () => this.#delete())
    this.#speed.addEventListener('change', () => this.#setSpeed())
    this.#video.addEventListener('loadedmetadata', () => this.#setSpeed())
    this.#video.addEventListener('error', () => this.#failed())
    document.addEventListener('keydown', (event) => this.#key(event))
  }

  /** Opens a clip at its event, or at a time. @param {Item} clip @param {number} [at] wall clock */
  open(clip, at) {
    const isOther = this.clip?.id !== clip.id
    this.clip = clip
    element('player-controls').hidden = false
    element('player').classList.add('has-clip')
    write(element('player-note'), `${summaryOf(clip)} · ${detailsOf(clip)}`)
    this.#video.ariaLabel = `Recording of ${clock(clip.at)}: ${titleOf(clip)}`
    const download = /** @type {HTMLAnchorElement} */ (element('download'))
    download.href = `${clipUrl(clip.id)}?download`
    this.update(clip)
    if (isOther) {
      this.#video.src = clipUrl(clip.id)
      this.#reason = -1
    }
    if (at === undefined) this.jump()
    else this.#seek((at - clip.at) / 1_000)
    // a browser may want a press of its own first
    this.#video.play().catch(() => {})
  }

  /** What is known of the present clip has changed. @param {Item} clip */
  update(clip) {
    if (this.clip?.id !== clip.id) return
    this.clip = clip
    const keep = element('keep')
    keep.ariaPressed = String(clip.favorite)
    for (const id of ['keep', 'delete']) element(id).hidden = !this.deps.canChange()
    /** @type {HTMLButtonElement} */ for (const id of ['keep', 'delete'])
      element(id).disabled = !clip.complete
  }

  close() {
    this.clip = undefined
    this.#video.removeAttribute('src')
    this.#video.load()
    element('player-controls').hidden = true
    element('player').classList.remove('has-clip')
    write(element('player-note'), 'Choose a recording.')
  }

  /** To the event, or from one event of the clip to the next. */
  jump() {
    const { clip } = this
    if (!clip) return
    const times = clip.reasons.map((/** @type {any} */ { at }) => (at - clip.at) / 1_000)
    this.#reason = (this.#reason + 1) % Math.max(1, times.length)
    this.#seek(Math.max(0, (times[this.#reason] ?? 0) - LEAD_S))
  }

  /** @param {number} seconds */
  #seek(seconds) {
    const seek = () => {
      this.#video.currentTime = Math.max(0, Math.min(seconds, this.#video.duration || seconds))
    }
    if (this.#video.readyState > 0) seek()
    else this.#video.addEventListener('loadedmetadata', seek, { once: true })
  }

  /** @param {number} seconds */
  #step(seconds) {
    this.#video.pause()
    this.#seek(this.#video.currentTime + seconds)
  }

  #setSpeed() {
    this.#video.playbackRate = Number(this.#speed.value)
  }

  #failed() {
    if (this.clip) write(element('player-note'), 'This recording cannot be played. Was it deleted?')
  }

  #favorite() {
    if (this.clip?.complete && this.deps.canChange()) this.deps.onFavorite(this.clip)
  }

  #delete() {
    if (this.clip?.complete && this.deps.canChange()) this.deps.onDelete(this.clip)
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target)
    if (!this.clip || event.ctrlKey || event.metaKey || event.altKey || target.matches('input, select'))
      return
    // the video has keys of its own, and a button its space
    const isPlay = event.key === ' ' && !target.matches('video, button, a')
    const action = isPlay ? () => this.#toggle() : this.#actions[event.key.toLowerCase()]
    if (!action) return
    event.preventDefault()
    action()
  }

  /** @type {Record<string, () => void>} */
  #actions = {
    ',': () => this.#step(-FRAME_S),
    '.': () => this.#step(FRAME_S),
    j: () => this.#seek(this.#video.currentTime - SKIP_S),
    l: () => this.#seek(this.#video.currentTime + SKIP_S),
    e: () => this.jump(),
    f: () => this.#favorite(),
    delete: () => this.#delete(),
  }

  #toggle() {
    if (this.#video.paused) this.#video.play().catch(() => {})
    else this.#video.pause()
  }
}

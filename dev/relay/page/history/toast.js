import { element, write } from '../view.js'

/** The robot deletes after 30 s; the button is gone a little before that. */
const SHOWN_MS = 28_000

/** A message at the bottom of the window, with a button to undo what it reports. */
export class Toast {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {(() => void) | undefined} */
  #undo

  constructor() {
    element('undo').addEventListener('click', () => {
      const undo = this.#undo
      this.hide()
      undo?.()
    })
  }

  /** @param {string} text @param {() => void} [undo] */
  show(text, undo) {
    clearTimeout(this.#timer)
    this.#undo = undo
    write(element('toast-text'), text)
    element('undo').hidden = !undo
    element('toast').hidden = false
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS)
  }

  hide() {
    clearTimeout(this.#timer)
    this.#undo = undefined
    element('toast').hidden = true
  }
}

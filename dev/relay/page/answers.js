import { element, write } from './view.js'

/** An answer is shown for this long. */
export const SHOWN_MS = 10_000

/** Order of the newest command, and of the command whose answer is shown. */
let newest = 0
let shown = 0
let cause = ''
let timer = 0

/** The place of a new command among the others. */
export const nextOrder = () => ++newest

/**
 * Shows an answer, unless that of a newer command is shown.
 * @param {string} text @param {import('./view.js').Tone} tone
 * @param {{ order?: number, cause?: string }} [options] `cause`: condition that {@link clearAnswer} ends
 */
export function setAnswer(text, tone = 'waiting', options = {}) {
  const { order = nextOrder() } = options
  if (order < shown) return
  clearTimeout(timer)
  shown = order
  cause = options.cause ?? ''
  const answer = element('answer')
  answer.dataset.state = tone
  write(answer, text)
  timer = setTimeout(hide, SHOWN_MS)
}

/** Hides an answer whose cause is over. @param {string} ended */
export function clearAnswer(ended) {
  if (cause === ended) hide()
}

function hide() {
  clearTimeout(timer)
  // the answer of an older command that is still pending may follow
  shown = 0
  cause = ''
  write(element('answer'), '')
}

import { element, part, write } from './view.js'

const MAX_ROWS = 5
/** A detection older than this is shown as past, ms; the robot sends one per label in 5 s. */
const PAST_AFTER = 8_000

/** @typedef {{ row: HTMLElement, at: number, score: number | null }} Entry */

/** The list of detections: one line per label, the newest first. */
export class Seen {
  /** @type {Map<string, Entry>} */
  #entries = new Map()
  #list = element('detections')

  constructor() {
    setInterval(() => this.#refresh(), 1_000)
  }

  /** @param {any} event `detection`, as the relay forwards it */
  add(event) {
    const facts = { ...event, ...(typeof event.data === 'object' ? event.data : {}) }
    if (facts.detected === false) return
    const name = [facts.dog_name ?? facts.label ?? 'something', facts.behavior]
      .filter(Boolean)
      .join(', ')
      .slice(0, 60)
    const entry = this.#entries.get(name) ?? this.#create(name)
    entry.at = performance.now()
    entry.score = typeof facts.confidence === 'number' ? Math.min(1, Math.max(0, facts.confidence)) : null
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    this.#list.prepend(entry.row)
    this.#trim()
    this.#refresh()
  }

  /** @param {string} name @returns {Entry} */
  #create(name) {
    const row = document.createElement('li')
    const bar = part('span', '')
    bar.className = 'bar'
    bar.append(document.createElement('i'))
    row.append(part('b', name), part('data', ''), part('time', ''), bar)
    return { row, at: 0, score: null }
  }

  #trim() {
    for (const [name, { row }] of this.#entries) {
      if (this.#entries.size <= MAX_ROWS) return
      row.remove()
      this.#entries.delete(name)
    }
  }

  #refresh() {
    for (const { row, at, score } of this.#entries.values()) {
      const age = performance.now() - at
      row.classList.toggle('past', age > PAST_AFTER)
      write(row.querySelector('data'), score === null ? '' : `${Math.round(score * 100)} %`)
      write(row.querySelector('time'), describeAge(age))
      const bar = /** @type {HTMLElement | null} */ (row.querySelector('i'))
      if (bar) bar.style.width = `${(score ?? 0) * 100}%`
    }
  }
}

/** @param {number} age */
function describeAge(age) {
  const seconds = Math.floor(age / 1_000)
  if (seconds < 2) return 'now'
  return seconds < 90 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`
}

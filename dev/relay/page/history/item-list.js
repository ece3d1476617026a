import { element, part, write } from '../view.js'
import { keyOf } from './day-items.js'
import { clock, detailsOf, titleOf } from './describe.js'
import { pictureUrl } from './history-api.js'

const ROW_HEIGHT = 76
/** Rows beyond both edges, so that scrolling shows no gap. */
const MARGIN = 6

/** @typedef {import('./history-api.js').Item} Item */

/** A list of any length: only the rows in view exist. */
export class ItemList {
  /** @type {Item[]} */
  #items = []
  /** Keys of all items. @type {Set<string>} */
  #keys = new Set()
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map()
  #box = element('items')
  #list = element('rows')
  /** @type {string | undefined} */
  #selected
  #due = false

  /** @param {(item: Item) => void} onSelect */
  constructor(onSelect) {
    this.onSelect = onSelect
    this.#box.addEventListener('scroll', () => this.#schedule(), { passive: true })
    new ResizeObserver(() => this.#schedule()).observe(this.#box)
    this.#list.addEventListener('keydown', (event) => this.#key(event))
  }

  /** @param {Item[]} items */
  show(items) {
    this.#items = items
    this.#keys = new Set(items.map(keyOf))
    this.#list.style.height = `${items.length * ROW_HEIGHT}px`
    this.#schedule()
  }

  /** Marks an item and scrolls to it. @param {Item | undefined} item @param {boolean} [focus] */
  select(item, focus = false) {
    this.#selected = item && keyOf(item)
    const index = item ? this.#items.findIndex((one) => keyOf(one) === this.#selected) : -1
    if (index >= 0) this.#reveal(index)
    this.#render()
    if (focus && this.#selected)
      this.#rows.get(this.#selected)?.querySelector('button')?.focus({ preventScroll: true })
  }

  /** @param {number} index */
  #reveal(index) {
    const top = index * ROW_HEIGHT
    const { scrollTop, clientHeight } = this.#box
    if (top < scrollTop) this.#box.scrollTop = top
    else if (top + ROW_HEIGHT > scrollTop + clientHeight)
      this.#box.scrollTop = top + ROW_HEIGHT - clientHeight
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({
      ...{ ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 },
      ...{ Home: -this.#items.length, End: this.#items.length },
    })
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const row = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest('li'))
    const from = this.#items.findIndex((one) => keyOf(one) === row?.dataset.key)
    const to = Math.min(this.#items.length - 1, Math.max(0, from + step))
    const item = this.#items[to]
    if (!item) return
    this.#reveal(to)
    this.#render()
    this.#rows.get(keyOf(item))?.querySelector('button')?.focus({ preventScroll: true })
  }

  #schedule() {
    if (this.#due) return
    this.#due = true
    requestAnimationFrame(() => {
      this.#due = false
      this.#render()
    })
  }

  #render() {
    const first = Math.max(0, Math.floor(this.#box.scrollTop / ROW_HEIGHT) - MARGIN)
    const count = Math.ceil(this.#box.clientHeight / ROW_HEIGHT) + 2 * MARGIN
    const shown = this.#items.slice(first, first + count)
    const keys = new Set(shown.map(keyOf))
    for (const [key, row] of this.#rows) {
      // a row with the focus stays, or the keyboard would lose its place
      if (keys.has(key) || (this.#keys.has(key) && row.contains(document.activeElement))) continue
      row.remove()
      this.#rows.delete(key)
    }
    for (const [i, item] of shown.entries()) this.#place(item, first + i)
  }

  /** @param {Item} item @param {number} index */
  #place(item, index) {
    const key = keyOf(item)
    let row = this.#rows.get(key)
    if (!row) {
      row = rowFor(item, () => this.onSelect(this.#items.find((one) => keyOf(one) === key) ?? item))
      this.#rows.set(key, row)
      this.#list.append(row)
    }
    row.style.transform = `translateY(${index * ROW_HEIGHT}px)`
    row.ariaSetSize = String(this.#items.length)
    row.ariaPosInSet = String(index + 1)
    row.classList.toggle('favorite', item.favorite === true)
    const button = /** @type {HTMLElement} */ (row.querySelector('button'))
    button.ariaCurrent = key === this.#selected ? 'true' : null
    write(button.querySelector('b'), titleOf(item))
    write(button.querySelector('.details'), detailsOf(item))
  }
}

/** @param {Item} item @param {() => void} onClick */
function rowFor(item, onClick) {
  const row = document.createElement('li')
  row.dataset.key = keyOf(item)
  row.dataset.type = item.type
  const button = document.createElement('button')
  button.type = 'button'
  const picture = document.createElement('span')
  picture.className = 'thumb'
  const url = pictureUrl(item)
  if (url) {
    const image = new Image(96, 54)
    image.alt = ''
    image.loading = 'lazy'
    image.addEventListener('error', () => image.remove(), { once: true })
    image.src = url
    picture.append(image)
  }
  const details = part('span', '')
  details.className = 'details'
  button.append(picture, part('time', clock(item.at)), part('b', titleOf(item)), details)
  button.addEventListener('click', onClick)
  row.append(button)
  return row
}

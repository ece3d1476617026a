import { element, write } from '../view.js'
import { keyOf } from './day-items.js'
import { clock, lanesOf, summaryOf } from './describe.js'
import { PREVIEWS, pictureUrl } from './history-api.js'

const LANE_HEIGHT = 24
const MAX_LANES = 8
const RULER_HEIGHT = 20
/** Narrowest mark, and how far beside one a pointer may be. */
const MIN_MARK = 3
const REACH = 6
const MIN_SPAN_MS = 5 * 60_000
const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60_000)
/** A press that moves further is a drag. */
const DRAG_PX = 5

/** @typedef {import('./history-api.js').Item} Item */
/** @typedef {{ name: string, marks: { item: Item, from: number, to: number }[] }} Lane */

/** The day as lanes, one for each reason. Drag to move, wheel or buttons to zoom, arrow keys from item to item. */
export class Timeline {
  /** @type {Lane[]} */
  #lanes = []
  /** @type {Item[]} */
  #items = []
  #day = { from: 0, to: 1 }
  #view = { from: 0, to: 1 }
  /** @type {Item | undefined} */
  #selected
  #box = element('timeline')
  #canvas = /** @type {HTMLCanvasElement} */ (element('lanes'))
  /** @type {{ x: number, from: number, moved: boolean } | undefined} */
  #drag
  #due = false

  /** @param {(item: Item) => void} onSelect */
  constructor(onSelect) {
    this.onSelect = onSelect
    new ResizeObserver(() => this.#schedule()).observe(this.#box)
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', () => this.#schedule())
    const box = this.#box
    box.addEventListener('keydown', (event) => this.#key(event))
    box.addEventListener('pointerdown', (event) => this.#press(event))
    box.addEventListener('pointermove', (event) => this.#move(event))
    box.addEventListener('pointerup', (event) => this.#release(event))
    box.addEventListener('pointercancel', () => this.#cancel())
    box.addEventListener('pointerleave', () => this.#cancel())
    box.addEventListener('wheel', (event) => this.#wheel(event), { passive: false })
    element('zoom-in').addEventListener('click', () => this.#zoom(0.5))
    element('zoom-out').addEventListener('click', () => this.#zoom(2))
  }

  /** @param {Item[]} items @param {{ from: number, to: number }} day */
  show(items, day) {
    if (day.from !== this.#day.from) this.#view = { ...day }
    this.#day = day
    this.#items = items
    this.#lanes = lanesFor(items)
    const height = RULER_HEIGHT + Math.max(1, this.#lanes.length) * LANE_HEIGHT
    this.#box.style.height = `${height}px`
    this.#schedule()
  }

  /** @param {Item | undefined} item */
  select(item) {
    this.#selected = item
    const seconds = item ? Math.round((item.at - this.#day.from) / 1_000) : 0
    this.#box.ariaValueNow = String(seconds)
    this.#box.ariaValueText = item ? summaryOf(item) : 'nothing chosen'
    if (item && (item.at < this.#view.from || item.at > this.#view.to)) this.#center(item.at)
    this.#schedule()
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event
    if (key === '+' || key === '-') return this.#zoom(key === '+' ? 0.5 : 2)
    const steps = /** @type {Record<string, number>} */ ({
      ArrowLeft: 1,
      ArrowRight: -1,
      ArrowDown: 1,
      ArrowUp: -1,
    })
    const last = this.#items.length - 1
    const selected = this.#selected && keyOf(this.#selected)
    const at = this.#items.findIndex((one) => keyOf(one) === selected)
    // the newest is the first item and at the right
    const to =
      { Home: last, End: 0 }[key] ?? (steps[key] === undefined ? undefined : at < 0 ? 0 : at + steps[key])
    if (to === undefined) return
    event.preventDefault()
    const item = this.#items[Math.min(last, Math.max(0, to))]
    if (item) this.onSelect(item)
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.#drag = { x: event.offsetX, from: this.#view.from, moved: false }
    this.#box.setPointerCapture(event.pointerId)
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag
    if (!drag) return this.#preview(event.offsetX, event.offsetY)
    const dx = event.offsetX - drag.x
    drag.moved ||= Math.abs(dx) > DRAG_PX
    if (!drag.moved) return
    const span = this.#view.to - this.#view.from
    this.#setView(drag.from - (dx * span) / this.#box.clientWidth, span)
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const wasDrag = this.#drag?.moved
    this.#drag = undefined
    if (wasDrag) return
    const item = this.#itemAt(event.offsetX, event.offsetY)
    if (item) this.onSelect(item)
  }

  #cancel() {
    this.#drag = undefined
    element('preview').hidden = true
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY) && !event.shiftKey) return
    event.preventDefault()
    const span = this.#view.to - this.#view.from
    if (event.ctrlKey) this.#zoom(event.deltaY > 0 ? 1.25 : 0.8, this.#timeAt(event.offsetX))
    else
      this.#setView(this.#view.from + ((event.deltaX || event.deltaY) * span) / this.#box.clientWidth, span)
  }

  /** @param {number} factor @param {number} [around] */
  #zoom(factor, around = this.#selected?.at ?? (this.#view.from + this.#view.to) / 2) {
    const span = this.#view.to - this.#view.from
    const wanted = Math.min(this.#day.to - this.#day.from, Math.max(MIN_SPAN_MS, span * factor))
    this.#setView(around - ((around - this.#view.from) * wanted) / span, wanted)
  }

  /** @param {number} at */
  #center(at) {
    const span = this.#view.to - this.#view.from
    this.#setView(at - span / 2, span)
  }

  /** @param {number} from @param {number} span */
  #setView(from, span) {
    const start = Math.min(this.#day.to - span, Math.max(this.#day.from, from))
    this.#view = { from: start, to: start + span }
    this.#schedule()
  }

  /** @param {number} x */
  #timeAt(x) {
    return this.#view.from + (x / this.#box.clientWidth) * (this.#view.to - this.#view.from)
  }

  /** @param {number} at */
  #xOf(at) {
    return ((at - this.#view.from) / (this.#view.to - this.#view.from)) * this.#box.clientWidth
  }

  /** The item under the pointer: recordings first, then the nearest. @param {number} x @param {number} y @returns {Item | undefined} */
  #itemAt(x, y) {
    const lane = this.#lanes[Math.floor((y - RULER_HEIGHT) / LANE_HEIGHT)]
    const near = (lane?.marks ?? []).flatMap(({ item, from, to }) => {
      const [left, right] = [this.#xOf(from), this.#xOf(to)]
      const distance = x < left ? left - x : Math.max(0, x - Math.max(right, left + MIN_MARK))
      return distance <= REACH ? [{ item, distance: item.type === 'clip' ? distance - REACH : distance }] : []
    })
    return near.sort((a, b) => a.distance - b.distance)[0]?.item
  }

  /** @param {number} x @param {number} y */
  #preview(x, y) {
    const item = this.#itemAt(x, y)
    const preview = element('preview')
    preview.hidden = !item
    this.#box.style.cursor = item ? 'pointer' : 'grab'
    if (!item) return
    write(element('preview-text'), summaryOf(item))
    const url = pictureUrl(item, previewOf(item, this.#timeAt(x)))
    const picture = /** @type {HTMLImageElement} */ (element('preview-picture'))
    picture.hidden = !url
    if (url && !picture.src.endsWith(url)) picture.src = url
    const half = preview.offsetWidth / 2
    preview.style.left = `${Math.min(this.#box.clientWidth - half, Math.max(half, x))}px`
  }

  #schedule() {
    if (this.#due) return
    this.#due = true
    requestAnimationFrame(() => {
      this.#due = false
      this.#draw()
    })
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#box
    const scale = devicePixelRatio || 1
    this.#canvas.width = width * scale
    this.#canvas.height = height * scale
    const context = this.#canvas.getContext('2d')
    if (!context) return
    context.scale(scale, scale)
    const style = getComputedStyle(document.documentElement)
    /** @param {string} name */
    const color = (name) => style.getPropertyValue(`--${name}`)
    this.#drawRuler(context, { height, color })
    for (const [i, lane] of this.#lanes.entries())
      this.#drawLane(context, lane, { y: RULER_HEIGHT + i * LANE_HEIGHT, color })
    write(element('span'), `${clock(this.#view.from).slice(0, 5)} to ${clock(this.#view.to).slice(0, 5)}`)
  }

  /** @param {CanvasRenderingContext2D} context @param {{ height: number, color: (name: string) => string }} style */
  #drawRuler(context, { height, color }) {
    const { clientWidth: width } = this.#box
    const span = this.#view.to - this.#view.from
    const step = STEPS_MS.find((one) => (one / span) * width >= 52) ?? 6 * 3_600_000
    context.font = '11px system-ui, sans-serif'
    for (let at = this.#day.from; at <= this.#day.to; at += step) {
      const x = this.#xOf(at)
      if (x < 0 || x > width) continue
      context.fillStyle = color('line')
      context.fillRect(Math.round(x), 0, 1, height)
      context.fillStyle = color('quiet')
      context.fillText(clock(at).slice(0, 5), x + 4, 13)
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {Lane['marks'][number]} mark @param {{ y: number, color: (name: string) => string }} style */
  #drawMark(context, { item, from, to }, { y, color }) {
    const [left, right] = [this.#xOf(from), this.#xOf(to)]
    if (right < 0 || left > this.#box.clientWidth) return
    const isClip = item.type === 'clip'
    const isSelected = this.#selected !== undefined && keyOf(item) === keyOf(this.#selected)
    const plain = isClip ? 'good' : 'hover'
    context.globalAlpha = isClip || isSelected ? 1 : 0.55
    context.fillStyle = color(isSelected ? 'wait' : plain)
    const inset = isClip ? 4 : 8
    context.fillRect(left, y + inset, Math.max(MIN_MARK, right - left), LANE_HEIGHT - 2 * inset)
  }

  /** @param {CanvasRenderingContext2D} context @param {Lane} lane @param {{ y: number, color: (name: string) => string }} style */
  #drawLane(context, { name, marks }, { y, color }) {
    for (const mark of marks) this.#drawMark(context, mark, { y, color })
    context.globalAlpha = 1
    context.fillStyle = color('text')
    context.strokeStyle = color('card')
    context.lineWidth = 3
    context.strokeText(name, 4, y + 16)
    context.fillText(name, 4, y + 16)
  }
}

/** The lanes with most items; the others share the last one. @param {Item[]} items @returns {Lane[]} */
function lanesFor(items) {
  /** @type {Map<string, Lane>} */
  const lanes = new Map()
  for (const item of items) {
    for (const name of lanesOf(item)) {
      const lane = lanes.get(name) ?? { name, marks: [] }
      lanes.set(name, lane)
      lane.marks.push({ item, from: item.at, to: item.end ?? (isOpen(item) ? Date.now() : item.at) })
    }
  }
  const all = [...lanes.values()].sort((a, b) => b.marks.length - a.marks.length)
  if (all.length <= MAX_LANES) return all.sort(byName)
  const rest = all.splice(MAX_LANES - 1)
  return [...all.sort(byName), { name: 'other', marks: rest.flatMap(({ marks }) => marks) }]
}

/** It has an end, and has not come to it. @param {Item} item */
const isOpen = ({ type, end }) => end === null && (type === 'session' || type === 'track')

/** @param {Lane} a @param {Lane} b */
const byName = (a, b) => a.name.localeCompare(b.name)

/** The picture of a clip for this time. @param {Item} item @param {number} at */
function previewOf(item, at) {
  const part = (at - item.at) / Math.max(1, (item.end ?? item.at) - item.at)
  return Math.min(PREVIEWS - 1, Math.max(0, Math.round(part * PREVIEWS)))
}

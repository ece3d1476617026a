import { element, write } from '../view.js'
import { ClipPlayer } from './clip-player.js'
import { DayItems, keyOf } from './day-items.js'
import { titleOf } from './describe.js'
import { HistoryApi } from './history-api.js'
import { ItemList } from './item-list.js'
import { Timeline } from './timeline.js'
import { Toast } from './toast.js'

const FILTERS = /** @type {const} */ (['types', 'label', 'zone', 'reason'])

/** @typedef {import('./history-api.js').Item} Item */

const api = new HistoryApi()
const query = new URLSearchParams(location.search)
const day = /** @type {HTMLInputElement} */ (element('day'))
const favorite = element('favorite')
const toast = new Toast()
const list = new ItemList((item) => select(item))
const timeline = new Timeline((item) => select(item))
const found = new DayItems({ api, onChange: show, onError: (err) => toast.show(`History: ${err.message}.`) })
const player = new ClipPlayer({
  canChange: () => !api.watchOnly,
  onFavorite: (clip) => void setFavorite(clip),
  onDelete: (clip) => void remove(clip),
})
/** @type {Item | undefined} */
let selected
/** A link names a recording, which is opened when its day is loaded. */
let wanted = query.get('clip')

/** @param {string} id */
const choice = (id) => /** @type {HTMLSelectElement} */ (element(id))

/** @param {Date} date `2026-05-04`, by the clock of this browser */
const dateText = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((n) => String(n).padStart(2, '0')).join('-')

/** Midnight to midnight, which is not always 24 h. */
function chosenDay() {
  const [year = 1970, month = 1, date = 1] = day.value.split('-').map(Number)
  return {
    from: new Date(year, month - 1, date).getTime(),
    to: new Date(year, month - 1, date + 1).getTime(),
  }
}

function load() {
  select(undefined)
  const values = Object.fromEntries(FILTERS.map((name) => [name, choice(name).value]))
  const isFavorite = favorite.ariaPressed === 'true' ? { favorite: 'true' } : {}
  const isToday = day.value === dateText(new Date())
  const next = /** @type {HTMLButtonElement} */ (element('next-day'))
  next.disabled = isToday
  void found.load({ ...values, ...isFavorite, ...chosenDay() })
}

function show() {
  const { items, total } = found
  const present = selected && items.find((one) => keyOf(one) === keyOf(/** @type {Item} */ (selected)))
  if (present?.type === 'clip') player.update(present)
  list.show(items)
  timeline.show(items, chosenDay())
  const rest = items.length < total ? `, ${items.length} loaded` : ''
  write(element('count'), total === 0 ? 'Nothing on this day' : `${total}${rest}`)
  const linked = wanted && items.find((one) => one.type === 'clip' && one.id === wanted)
  if (!linked) return
  wanted = null
  select(linked)
}

/** @param {Item | undefined} item */
function select(item) {
  selected = item
  list.select(item)
  timeline.select(item)
  if (!item) return
  if (item.type === 'clip') return player.open(item)
  // what is no recording itself may have happened in one
  const clip = found.items.find(
    (one) => one.type === 'clip' && one.at <= item.at && item.at <= (one.end ?? 0),
  )
  if (clip) player.open(clip, item.at)
}

/** @param {Item} clip */
async function setFavorite(clip) {
  const wanted = !clip.favorite
  try {
    await api.change(clip.id, { favorite: wanted })
    clip.favorite = wanted
    player.update(clip)
    list.show(found.items)
  } catch (err) {
    toast.show(`Not changed: ${/** @type {Error} */ (err).message}`)
  }
}

/** @param {Item} clip */
async function remove(clip) {
  try {
    await api.change(clip.id, { deleted: true })
  } catch (err) {
    toast.show(`Not deleted: ${/** @type {Error} */ (err).message}`)
    return
  }
  player.close()
  found.remove(clip)
  select(undefined)
  toast.show(`Deleted: ${titleOf(clip)}`, () => void restore(clip))
}

/** @param {Item} clip */
async function restore(clip) {
  try {
    await api.change(clip.id, { deleted: false })
    wanted = clip.id
    load()
  } catch (err) {
    toast.show(`Not restored: ${/** @type {Error} */ (err).message}`)
  }
}

/** @param {number} days */
function moveDay(days) {
  const date = new Date(chosenDay().from)
  date.setDate(date.getDate() + days)
  day.value = dateText(date)
  load()
}

async function fillFilters() {
  const { labels, zones, reasons, first } = await api.filterValues()
  for (const [id, values] of /** @type {const} */ ([
    ['label', labels],
    ['zone', zones],
    ['reason', reasons],
  ]))
    for (const value of values) choice(id).append(new Option(value.replaceAll('_', ' '), value))
  if (first !== null) day.min = dateText(new Date(first))
}

function start() {
  const today = new Date()
  const at = Number(query.get('at'))
  day.max = dateText(today)
  day.value = dateText(at > 0 ? new Date(at) : today)
  element('filters').addEventListener('submit', (event) => event.preventDefault())
  element('filters').addEventListener('change', () => {
    if (day.validity.valid) load()
  })
  element('previous-day').addEventListener('click', () => moveDay(-1))
  element('next-day').addEventListener('click', () => moveDay(1))
  element('today').addEventListener('click', () => {
    day.value = dateText(new Date())
    load()
  })
  favorite.addEventListener('click', () => {
    favorite.ariaPressed = String(favorite.ariaPressed !== 'true')
    load()
  })
  load()
  fillFilters().catch(() => {}) // the list says what is wrong
}

start()

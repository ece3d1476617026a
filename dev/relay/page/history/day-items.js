const FIRST_PAGE = 200
const PAGE = 1_000
/** Beyond that a day is cut: the oldest are not shown. */
const MAX_ITEMS = 50_000
const REFRESH_MS = 10_000

/** @typedef {import('./history-api.js').Item} Item */

/** @param {Item} item */
export const keyOf = ({ type, n }) => `${type}-${n}`

/** The items of one day, the newest first: the first page at once, the others after it, and what is new every few seconds. */
export class DayItems {
  /** @type {Item[]} */
  items = []
  /** Number of items of the whole day. */
  total = 0
  /** @type {AbortController | undefined} */
  #loading
  /** Of the next refresh, or of the next attempt to load. @type {ReturnType<typeof setInterval> | undefined} */
  #timer

  /** @param {{ api: import('./history-api.js').HistoryApi, onChange: () => void, onError: (err: Error) => void }} deps */
  constructor(deps) {
    this.deps = deps
  }

  /** Loads a day in place of the present one. @param {{ from: number, to: number } & import('./history-api.js').Filters} query */
  async load(query) {
    this.#loading?.abort()
    clearInterval(this.#timer)
    this.#loading = new AbortController()
    const { signal } = this.#loading
    this.items = []
    this.total = 0
    try {
      await this.#loadPages(query, signal)
      if (query.to > Date.now()) this.#timer = setInterval(() => this.#refresh(query, signal), REFRESH_MS)
    } catch (err) {
      if (signal.aborted) return
      this.deps.onError(/** @type {Error} */ (err))
      // the recorder may be starting
      this.#timer = setTimeout(() => this.load(query), REFRESH_MS)
    }
  }

  /** Takes an item out of the list, until the next load. @param {Item} item */
  remove(item) {
    this.items = this.items.filter((one) => one !== item)
    this.total--
    this.deps.onChange()
  }

  /** @param {any} query @param {AbortSignal} signal */
  async #loadPages(query, signal) {
    /** @type {string | null | undefined} */
    let cursor
    do {
      const limit = cursor ? PAGE : FIRST_PAGE
      const page = await this.deps.api.items({ ...query, limit, ...(cursor ? { cursor } : {}) }, signal)
      if (signal.aborted) return
      this.items = this.items.concat(page.items)
      this.total = page.total ?? this.total
      cursor = page.next
      this.deps.onChange()
    } while (cursor && this.items.length < MAX_ITEMS)
  }

  /** @param {any} query @param {AbortSignal} signal */
  async #refresh(query, signal) {
    if (document.hidden) return
    try {
      const { items, total } = await this.deps.api.items({ ...query, limit: FIRST_PAGE }, signal)
      const last = items.at(-1)
      const fresh = new Set(items.map(keyOf))
      // below the last one of this page nothing is known to have changed
      const older = this.items.filter((one) => last && one.at <= last.at && !fresh.has(keyOf(one)))
      this.items = items.length < FIRST_PAGE ? items : items.concat(older)
      this.total = total ?? this.items.length
      this.deps.onChange()
    } catch {
      // the next attempt is soon
    }
  }
}

/**
 * @typedef {{ type: 'clip' | 'track' | 'event' | 'command' | 'session', n: number, at: number, end: number | null, [field: string]: any }} Item
 * @typedef {{ types?: string, label?: string, zone?: string, reason?: string, favorite?: string }} Filters
 */

/** Requests to `/history/` (docs/recording.md). */
export class HistoryApi {
  /** This login may look, and change nothing. */
  watchOnly = false

  /**
   * @param {Filters & { from: number, to: number, limit: number, cursor?: string }} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ items: Item[], next: string | null, total?: number }>}
   */
  items(query, signal) {
    const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
    return this.#json(`items?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}`, {
      signal,
    })
  }

  /** @returns {Promise<{ labels: string[], zones: string[], reasons: string[], first: number | null }>} */
  filterValues() {
    return this.#json('filters')
  }

  /** @param {string} id @param {{ favorite: boolean } | { deleted: boolean }} change */
  change(id, change) {
    const headers = { 'Content-Type': 'application/json' }
    return this.#json(`clips/${id}`, { method: 'POST', headers, body: JSON.stringify(change) })
  }

  /** @param {string} path @param {RequestInit} [options] */
  async #json(path, options) {
    const response = await fetch(`/history/${path}`, options)
    this.watchOnly = response.headers.get('X-Wimz-Role') === 'watch'
    if (response.ok) return await response.json()
    const { error } = await response.json().catch(() => ({}))
    throw new Error(error ?? `the robot answers ${response.status}`)
  }
}

/** Address of a clip's file. @param {string} id */
export const clipUrl = (id) => `/history/clips/${id}.mp4`

/** Pictures of a clip besides that of its event. */
export const PREVIEWS = 5

/** Address of an item's picture; undefined without one. @param {Item} item @param {number} [n] 0 to 4 */
export function pictureUrl(item, n = 0) {
  if (item.type === 'clip') return `/history/clips/${item.id}.jpg?n=${n}`
  return item.type === 'track' && item.hasPicture
    ? `/history/tracks/${encodeURIComponent(item.id)}.jpg`
    : undefined
}

import { element, write } from './view.js'

/** Characters of base64; photos of the robot are far smaller. */
const MAX_LENGTH = 8 * 1024 * 1024
/** The alphabet of RFC 4648 §4 alone. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The last photo that the robot took, with a link to save it. */
export class Photo {
  /** @type {string | null} */
  #url = null

  /** @param {any} event `photo`, as the relay forwards it (docs/relay-protocol.md#events) */
  show(event) {
    const facts = { ...event, ...(typeof event.data === 'object' ? event.data : {}) }
    const data = typeof event.data === 'string' ? event.data : facts.data
    const bytes = typeof data === 'string' ? decode(data) : null
    if (!bytes) return
    if (this.#url) URL.revokeObjectURL(this.#url)
    this.#url = URL.createObjectURL(new Blob([bytes], { type: 'image/jpeg' }))
    const name = String(facts.filename ?? 'photo.jpg').slice(0, 100)
    const link = /** @type {HTMLAnchorElement} */ (element('photo-link'))
    link.href = this.#url
    link.download = name
    const picture = /** @type {HTMLImageElement} */ (element('photo-picture'))
    picture.src = this.#url
    picture.alt = name
    write(
      element('photo-facts'),
      [facts.resolution, `${Math.round(bytes.length / 1024)} KiB`].filter(Boolean).join(', '),
    )
    element('photo-card').hidden = false
  }
}

/** The bytes of base64 text; null for anything else. @param {string} data */
export function decode(data) {
  if (data.length > MAX_LENGTH || !BASE64.test(data)) return null
  return Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
}

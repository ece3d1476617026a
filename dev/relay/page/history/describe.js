/** @typedef {import('./history-api.js').Item} Item */

/** @param {number} at */
export const clock = (at) => new Date(at).toLocaleTimeString('en-GB')

/** @param {number} ms */
function duration(ms) {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `treat_dispensed` as words. @param {unknown} name */
const words = (name) => String(name ?? '').replaceAll('_', ' ')
/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1)

/** Why a clip was kept. @param {any} reason */
function reasonText({ kind, label, zone, event }) {
  if (kind === 'zone') return `${words(label) || 'object'} in ${zone}`
  if (kind === 'label') return words(label)
  if (kind === 'event') return words(event)
  return kind === 'command' ? 'recorded' : words(kind)
}

/** The lane of the timeline that a reason belongs to. @param {any} reason */
const laneOfReason = ({ kind, label, zone, event }) =>
  kind === 'zone'
    ? `in ${zone}`
    : ({ label: words(label), event: words(event), command: 'recorded' }[kind] ?? kind)

/** Lanes of the timeline that an item belongs to. @param {Item} item @returns {string[]} */
export function lanesOf(item) {
  if (item.type === 'clip') return [...new Set(item.reasons.map(laneOfReason))]
  if (item.type === 'track')
    return [words(item.label), ...item.zones.map((/** @type {string} */ zone) => `in ${zone}`)]
  if (item.type === 'event') return [item.name === 'treat_dispensed' ? 'treat' : words(item.name)]
  if (item.type === 'command') return ['commands']
  return [item.kind === 'driver' ? 'driven' : 'watched']
}

/** @type {Record<Item['type'], (item: Item) => string>} */
const TITLES = {
  clip: ({ reasons }) => [...new Set(reasons.map(reasonText))].join(', ') || 'recording',
  track: ({ label }) => words(label),
  event: ({ name }) => words(name),
  command: ({ name }) => words(name),
  session: ({ kind, role }) =>
    kind === 'driver' ? 'driven' : role === 'watch' ? 'watched, watching only' : 'watched',
}

/** @param {Item} item */
export const titleOf = (item) => capital(TITLES[item.type](item)).slice(0, 120)

/** @type {Record<Item['type'], (item: Item) => (string | false | null | undefined)[]>} */
const DETAILS = {
  clip: ({ complete, cutShort, gaps, hasAudio }) => [
    !complete && 'being recorded',
    cutShort && `cut short: ${cutShort}`,
    gaps.length > 0 && `${gaps.length} gap${gaps.length === 1 ? '' : 's'}`,
    hasAudio && 'sound',
  ],
  track: ({ score, zones }) => [`${Math.round(score * 100)} %`, zones.length > 0 && `in ${zones.join(', ')}`],
  event: ({ facts, forRelay, sentAt }) => [
    ...Object.entries(facts).map(
      ([name, value]) => `${words(name)}: ${typeof value === 'object' ? JSON.stringify(value) : value}`,
    ),
    forRelay && (sentAt === null ? 'not yet sent to the relay' : 'sent to the relay'),
  ],
  command: ({ success, error, source }) => [
    success === null ? 'no answer' : success ? 'done' : `failed${error ? `: ${error}` : ''}`,
    `from ${words(source)}`,
  ],
  session: ({ kind, commands, connection, protocol, reason }) => [
    kind === 'driver' && `${commands} commands`,
    connection && `${connection}${protocol ? `, ${protocol}` : ''}`,
    reason,
  ],
}

/** @param {Item} item */
export function detailsOf(item) {
  const length =
    item.end !== null && item.type !== 'command' && item.end > item.at && duration(item.end - item.at)
  return [length, ...DETAILS[item.type](item)].filter(Boolean).join(' · ').slice(0, 240)
}

/** One line for screen readers and previews. @param {Item} item */
export const summaryOf = (item) => `${clock(item.at)} ${titleOf(item)}`

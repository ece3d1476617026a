import { setAnswer } from './answers.js'

/**
 * Copies what the page and the browser know of the connection, for a report of a fault.
 * @param {{ pc: RTCPeerConnection | null, state: object, events: any[] }} facts
 */
export async function copyReport({ pc, state, events }) {
  const stats = [...((await pc?.getStats())?.values() ?? [])].filter(({ type }) => type !== 'certificate')
  const report = {
    at: new Date().toISOString(),
    browser: navigator.userAgent,
    page: location.origin, // the address may have a token in it
    ...state,
    events: events.slice(-20),
    stats,
  }
  const copied = await copy(JSON.stringify(report, null, 2))
  if (copied) setAnswer('Report: copied', 'good')
  else setAnswer('Report: this browser does not let the page copy it', 'bad')
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text) // no clipboard without HTTPS
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  const copied = document.execCommand('copy')
  area.remove()
  return copied
}

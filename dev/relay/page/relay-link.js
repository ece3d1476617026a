const FIRST_WAIT = 300
const LONGEST_WAIT = 3_000
const PING_EVERY = 10_000

/**
 * The app's WebSocket to the relay, kept up for ever.
 * @param {{ device: string | null, token: string | null, onUp: () => void, onDown: () => void, onFrame: (frame: any) => void }} options
 */
export function openRelayLink({ device, token, onUp, onDown, onFrame }) {
  /** @type {WebSocket | undefined} */
  let socket
  let wait = FIRST_WAIT
  const address = new URL('/ws/app', location.href)
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  if (device) address.searchParams.set('device_id', device)
  if (token) address.searchParams.set('token', token)

  /** @param {object} frame */
  const send = (frame) => {
    if (socket?.readyState !== WebSocket.OPEN) return false
    socket.send(JSON.stringify(frame))
    return true
  }

  const connect = () => {
    const current = new WebSocket(address)
    socket = current
    current.onopen = () => {
      send({ type: 'session_hello', session_id: newId(), user_id: 'local', last_seen_seq: 0 })
      onUp()
    }
    current.onmessage = ({ data }) => {
      wait = FIRST_WAIT
      onFrame(JSON.parse(data))
    }
    current.onclose = () => {
      onDown()
      setTimeout(connect, wait)
      wait = Math.min(LONGEST_WAIT, wait * 2)
    }
  }

  connect()
  setInterval(() => send({ type: 'ping' }), PING_EVERY)
  addEventListener('pagehide', () => send({ type: 'client_closing' }))
  return { send }
}

/** A random id; `crypto.randomUUID` exists on secure origins only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

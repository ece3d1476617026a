import type { MqttClient } from 'mqtt'

/** Reason codes of a CONNACK that refuses the version: MQTT 3.1.1 §3.2.2.3 and 5.0 §3.2.2.2. */
const REFUSED = new Set([0x01, 0x84])

type Packet = { cmd: string; returnCode?: number; reasonCode?: number }

/**
 * Connects with MQTT 5, and with 3.1.1 where the broker refuses that. A broker that closes the connection without a CONNACK
 * may mean the same, so the next attempt uses the other version.
 */
export function negotiateVersion(client: MqttClient): void {
  let answered = false
  let isRefused = false
  let isOpen = false
  const watch = () => {
    isOpen = false
    // `bytesWritten` counts what waits for the connection, too
    client.stream?.once('connect', () => {
      isOpen = true
    })
  }
  watch() // MQTT.js has begun the first attempt
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'connect') watch()
  })
  client.on('packetreceive', (packet) => {
    const { cmd, returnCode, reasonCode } = packet as Packet
    if (cmd !== 'connack') return
    answered = true
    if (REFUSED.has(reasonCode ?? returnCode ?? 0)) isRefused = true
  })
  client.on('close', () => {
    // MQTT.js reads it again in each attempt
    const { options } = client
    if (isRefused) options.protocolVersion = 4
    else if (answered) options.protocolVersion = 5
    else if (isOpen) options.protocolVersion = options.protocolVersion === 5 ? 4 : 5
    answered = false
  })
}

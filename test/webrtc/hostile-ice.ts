import { createSocket } from 'node:dgram'
import { type Connection, classes, Message, methods } from 'werift'
import type { Viewer } from './viewer.ts'

/** Larger than any tie-breaker of the robot (64 bits), so that its role changes. */
const HIGHEST = 2n ** 64n - 1n

/** Source addresses of one viewer. */
const SOCKETS = 50

/** Attributes of a check, by the number of the check. */
type Change = (check: Message, index: number) => void

export const CHECKS: Record<string, Change> = {
  'checks that change the roles each time': (check, i) => {
    // controlled with the lowest tie-breaker of all makes the robot controlling again
    if (i % 2 === 0) check.setAttribute('ICE-CONTROLLING', HIGHEST)
    else check.setAttribute('ICE-CONTROLLED', 0n)
  },
  'checks that nominate another address each time': (check) => {
    check.setAttribute('ICE-CONTROLLING', HIGHEST).setAttribute('USE-CANDIDATE', null)
  },
  'checks with large attributes': (check) => {
    for (let i = 0; i < 10; i++) check.appendRawAttribute(0xc100 + i, Buffer.alloc(100, i))
  },
}

/** Connectivity checks with the password of this viewer's session (RFC 8445 §7.2.4), from many addresses in turn. */
export function openChecks(viewer: Viewer) {
  const connection = viewer.pc.iceTransports[0]?.connection as Connection
  const { nominated, localUsername, remoteUsername, remotePassword } = connection
  if (!nominated) throw new Error('not connected')
  const [host, port] = nominated.remoteAddr
  const sockets = Array.from({ length: SOCKETS }, () => createSocket(host.includes(':') ? 'udp6' : 'udp4'))
  let index = 0
  return {
    async send(change: Change): Promise<void> {
      const check = new Message(methods.BINDING, classes.REQUEST)
        .setAttribute('USERNAME', `${remoteUsername}:${localUsername}`)
        .setAttribute('PRIORITY', 1_000 + index)
      change(check as Message, index)
      const { bytes } = check.addMessageIntegrity(Buffer.from(remotePassword)).addFingerprint()
      const socket = sockets[index++ % SOCKETS]
      await new Promise((resolve) => socket?.send(bytes, port, host, resolve))
    },
    close() {
      for (const socket of sockets) socket.close()
    },
  }
}

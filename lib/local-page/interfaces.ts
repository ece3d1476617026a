import { existsSync } from 'node:fs'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

/** The IPv4 addresses of this machine in networks. */
export function outwardInterfaces(): NetworkInterfaceInfo[] {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  return all.filter(({ family, internal }) => family === 'IPv4' && !internal)
}

/** In a bridge network of Docker the addresses mean nothing outside of this machine. */
export function isInBridgeNetwork(): boolean {
  const outward = outwardInterfaces()
  return (
    existsSync('/.dockerenv') && outward.length > 0 && outward.every(({ mac }) => mac.startsWith('02:42:'))
  )
}

/** The room of what others need to know of the local relay's page: its addresses, and a QR code of one. */
import { networkInterfaces } from 'node:os'
import { isLoopback } from '../loopback.ts'
import { isInBridgeNetwork } from './interfaces.ts'

/** Interfaces between this machine and its own containers and virtual machines. */
const VIRTUAL = /^(docker|br-|veth|virbr|lxc|podman|cni)/

/**
 * URLs of the page: as seen from this machine, and from others in its network, by address and by name. None of them has the
 * token: the page asks for it.
 */
export function pageAddresses(
  { host, port, https, discovery }: { host: string; port: number; https: boolean; discovery: boolean },
  deviceId: string,
): { here: string; network: string[] } {
  const url = (name: string, scheme = https ? 'https' : 'http') =>
    `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}/`
  const isAny = host === '0.0.0.0' || host === '::'
  // HTTP needs no exception for the certificate, and is answered from this machine
  if (isLoopback(host)) return { here: url(host, 'http'), network: [] }
  const addresses = isAny ? ownAddresses() : [host]
  const name = discovery && deviceId !== '' && !isInBridgeNetwork() ? [`${hostLabel(deviceId)}.local`] : []
  return {
    here: url(isAny ? 'localhost' : host, isAny ? 'http' : undefined),
    network: [...addresses, ...name].map((one) => url(one)),
  }
}

function ownAddresses(): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => !VIRTUAL.test(name))
    .flatMap(([, addresses = []]) => addresses)
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
}

/** The host name and label of a robot: letters, digits and hyphens of its id, with one `wimz-` before them. */
export function hostLabel(deviceId: string): string {
  const id = deviceId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-?(wimz-)?/, '')
  return `wimz-${id}`.slice(0, 63).replace(/-+$/, '')
}

/**
 * Delays UDP by a random time, for kernels without netem: what arrives at a port of `--ports from-to` goes on to the same port of `--to`
 * after 0 to `--most` ms, and so do the answers. Packets overtake each other. A line on stdin is the new `most`; "ready" on stdout.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const option = { type: 'string' } as const
const { values } = parseArgs({ options: { ports: option, to: option, most: option } })
const [from = 0, to = 0] = (values.ports ?? '').split('-').map(Number)
let most = Number(values.most ?? 0)

function later(send: () => void): void {
  setTimeout(send, Math.random() * most)
}

/** Listens on a port; each sender has a socket of its own towards the other side. */
async function relay(port: number): Promise<void> {
  const near = createSocket('udp4').on('error', () => {})
  const senders = new Map<string, Socket>()
  const farOf = ({ address, port: sender }: RemoteInfo) => {
    const key = `${address}:${sender}`
    const known = senders.get(key)
    if (known) return known
    const far = createSocket('udp4').on('error', () => {})
    far.on('message', (packet) => later(() => near.send(packet, sender, address)))
    senders.set(key, far)
    return far
  }
  near.on('message', (packet, sender) => {
    const far = farOf(sender)
    later(() => far.send(packet, port, values.to))
  })
  await once(near.bind(port), 'listening')
}

for (let port = from; port <= to; port++) await relay(port)
createInterface(process.stdin)
  .on('line', (line) => {
    most = Number(line)
  })
  .on('close', () => process.exit(0))
process.stdout.write('ready\n')

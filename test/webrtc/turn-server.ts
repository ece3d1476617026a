import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Why there can be no TURN server here, for `skip`; on CI that is a failure. */
export function noTurnServer(): string | false {
  if (process.env.CI === 'true') return false
  if (!ownAddress()) return 'this machine has no address but loopback'
  const { error } = spawnSync('turnserver', ['--version'])
  return error ? 'turnserver is missing: apt-get install coturn' : false
}

/** A coturn for this test; returns what a relay would say of it. It relays to this machine only. */
export async function startTurnServer(t: TestContext) {
  const address = ownAddress()
  if (!address) throw new Error('this machine has no address but loopback')
  const port = await freePort(address)
  const directory = await mkdtemp(join(tmpdir(), 'turn-'))
  const server = spawn(
    'turnserver',
    [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--no-rfc5780', '--lt-cred-mech', '--fingerprint'],
      ...[`--listening-ip=${address}`, `--relay-ip=${address}`, `--listening-port=${port}`],
      ...['--user=robot:secret', '--realm=test', '--log-file=stdout', `--pidfile=${directory}/pid`],
      `--userdb=${directory}/db`,
    ],
    { stdio: 'ignore' },
  )
  const exited = once(server, 'exit')
  t.after(async () => {
    server.kill()
    await exited
    await rm(directory, { recursive: true })
  })
  await listening(address, port)
  const url = `turn:${address}:${port}`
  return { url, iceServers: [{ urls: url, username: 'robot', credential: 'secret' }] }
}

function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address
}

async function freePort(address: string): Promise<number> {
  const probe = createServer().listen(0, address)
  await once(probe, 'listening')
  const bound = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof bound === 'object' && bound ? bound.port : 0
}

async function listening(address: string, port: number): Promise<void> {
  const end = performance.now() + 5_000
  for (;;) {
    const socket = connect(port, address)
    try {
      await once(socket, 'connect')
      return
    } catch (err) {
      if (performance.now() > end) throw err
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      socket.destroy()
    }
  }
}

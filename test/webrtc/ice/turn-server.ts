import { spawn, spawnSync } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { createSelfSignedCertificate, HashAlgorithm, NamedCurveAlgorithm, SignatureAlgorithm } from 'werift'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import type { Network } from '#test/helpers/netns.ts'

/** Why there can be no TURN server here, for `skip`; on CI that is a failure. */
export function noTurnServer(): string | false {
  if (process.env.CI === 'true') return false
  if (!ownAddress()) return 'this machine has no address but loopback'
  const { error } = spawnSync('turnserver', ['--version'])
  return error ? 'turnserver is missing: apt-get install coturn' : false
}

/** A coturn for this test; returns what a relay would say of it. It relays to this machine only. */
export async function startTurnServer(t: TestContext, options: string[] = []) {
  const address = ownAddress()
  if (!address) throw new Error('this machine has no address but loopback')
  const [port = 0, tlsPort = 0] = await freePorts(2, address)
  const directory = await mkdtemp(join(tmpdir(), 'turn-'))
  const { certPem, keyPem } = await createSelfSignedCertificate(
    { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
    NamedCurveAlgorithm.secp256r1_23,
  )
  await writeFile(`${directory}/cert.pem`, certPem)
  await writeFile(`${directory}/key.pem`, keyPem)
  const server = spawn(
    'turnserver',
    [
      ...['-n', '--no-cli', '--no-dtls', '--no-rfc5780', '--lt-cred-mech', '--fingerprint'],
      ...[`--listening-ip=${address}`, `--relay-ip=${address}`, `--listening-port=${port}`],
      ...[`--tls-listening-port=${tlsPort}`, `--cert=${directory}/cert.pem`, `--pkey=${directory}/key.pem`],
      ...['--user=robot:secret', '--realm=test', '--log-file=stdout', `--pidfile=${directory}/pid`],
      ...[`--userdb=${directory}/db`, ...options],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const log = createInterface(server.stdout)
  const exited = once(server, 'exit')
  const stop = async () => {
    server.kill()
    await exited
  }
  t.after(async () => {
    await stop()
    await rm(directory, { recursive: true })
  })
  await listening(address, port)
  const url = `turn:${address}:${port}`
  const account = { username: 'robot', credential: 'secret' }
  /** One server as `ice_servers` has it, over one transport. */
  const over = (transport: 'udp' | 'tcp' | 'tls') => ({
    urls: transport === 'tls' ? `turns:${address}:${tlsPort}` : `${url}?transport=${transport}`,
    ...account,
  })
  /** Resolves when the server logs this; with `-v` among its options it tells of each allocation. */
  const said = async (text: string, within = 10_000) => {
    for await (const [line] of on(log, 'line', { signal: AbortSignal.timeout(within) })) {
      if (String(line).includes(text)) return
    }
  }
  return { address, over, said, stop }
}

/** A coturn on the router of a network; resolves when it listens, with the server as `ice_servers` has it. */
export async function startTurnServerIn(t: TestContext, { spawn: start, address, run }: Network) {
  const directory = await mkdtemp(join(tmpdir(), 'turn-'))
  t.after(() => rm(directory, { recursive: true }))
  const { router } = address
  const files = [`--pidfile=${directory}/pid`, `--userdb=${directory}/db`, '--log-file=stdout']
  const account = ['--lt-cred-mech', '--user=robot:secret', '--realm=test', '--fingerprint']
  const listen = [`--listening-ip=${router}`, `--relay-ip=${router}`, '--listening-port=3478']
  const bare = ['-n', '--no-cli', '--no-tls', '--no-dtls', '--no-rfc5780']
  start('router', 'turnserver', [...bare, ...account, ...listen, ...files], { stdio: 'ignore' })
  const sockets = () => run('router', 'ss', '-Huln')
  await until(() => sockets().includes(':3478'), { every: 50, show: sockets })
  return { urls: `turn:${router}:3478`, username: 'robot', credential: 'secret' }
}

function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address
}

async function listening(address: string, port: number): Promise<void> {
  await until(() => accepts(address, port), { deadline: 5_000, every: 50, show: () => ({ address, port }) })
}

async function accepts(address: string, port: number): Promise<boolean> {
  const socket = connect(port, address)
  const opened = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return opened
}

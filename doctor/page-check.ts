import { once } from 'node:events'
import { get } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { pageAddresses } from '#lib/local-page/page-addresses.ts'
import { isLoopback } from '#lib/loopback.ts'
import type { CheckContext } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

const CHECK = 'local page'
const TIMEOUT_MS = 5_000
const DAY_MS = 86_400_000
/** The relay renews its own certificate 30 days before it expires. */
const MIN_CERTIFICATE_DAYS = 14

/** Whether the local relay answers, at which addresses, and the certificate that browsers see. */
export async function checkPage({ config: { local_relay, cloud } }: CheckContext): Promise<CheckResult[]> {
  if (!local_relay?.enabled) return []
  const { host, port, https } = local_relay
  const { here, network } = pageAddresses(local_relay, cloud?.device_id ?? '')
  const [link] = network
  const addresses = [here, ...network].join(' ')
  const name = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  try {
    if (https) return [await checkCertificate({ host: name, port, addresses, link })]
    await askHealth(name, port)
  } catch (err) {
    return [
      failure(
        CHECK,
        `${here} does not answer: ${reasonOf(err)}`,
        'start the robot; see the log of local-relay',
      ),
    ]
  }
  if (isLoopback(host)) return [ok(CHECK, addresses)]
  const problem = `${addresses}: video of the page, token and commands cross this network unencrypted`
  return [{ ...warning(CHECK, problem, 'set local_relay.https: true'), link }]
}

async function checkCertificate({
  host,
  port,
  addresses,
  link,
}: {
  host: string
  port: number
  addresses: string
  link: string | undefined
}): Promise<CheckResult> {
  // its own certificate has no authority; the owner compares the fingerprint
  const socket: TLSSocket = connect({ host, port, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const { valid_to, fingerprint256 } = socket.getPeerCertificate()
    const days = Math.floor((Date.parse(valid_to) - Date.now()) / DAY_MS)
    const found = `${addresses}, certificate valid for ${days} more days, SHA-256 ${fingerprint256}`
    if (days >= MIN_CERTIFICATE_DAYS) return { ...ok(CHECK, found), link }
    return { ...warning(CHECK, found, 'renew local_relay.cert; check the clock of this machine'), link }
  } finally {
    socket.destroy()
  }
}

async function askHealth(host: string, port: number): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const request = get({ host, port, path: '/health', signal, agent: false })
  const [response] = await once(request, 'response')
  response.resume()
  if (response.statusCode !== 200)
    throw new Error(`HTTP ${response.statusCode}: another program has the port`)
}

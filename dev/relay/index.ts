import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import type { z } from 'zod'
import type { CloudIdentity } from '#lib/config-schema.ts'
import { isInBridgeNetwork } from '#lib/local-page/interfaces.ts'
import { hostLabel } from '#lib/local-page/page-addresses.ts'
import type { Logger } from '#lib/logger.ts'
import { isLoopback } from '#lib/loopback.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { defineUnit } from '#lib/process/service.ts'
import { Access } from './access/access.ts'
import { config, type LocalRelaySection } from './config.ts'
import { authenticate } from './device-auth.ts'
import { Discovery } from './discovery.ts'
import { HistoryProxy } from './history-proxy.ts'
import { Hub } from './hub.ts'
import { MediaEndpoint } from './media/media-endpoint.ts'
import { sendAnswer, servePage } from './page-server.ts'
import { openServer } from './server.ts'
import { RELAY_TIMES, type RelayTimes } from './times.ts'
import { type CertificatePair, fingerprintOf } from './tls/certificate.ts'
import { isPrivate, toHttps } from './tls/https-only.ts'
import { createUpgradeHandler } from './upgrade.ts'
import { WhepEndpoint } from './whep/whep-endpoint.ts'

export const localRelay = defineUnit({
  name: 'local-relay',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startRelay,
})

interface RelayDeps {
  config: { local_relay: LocalRelaySection; cloud: z.infer<typeof CloudIdentity>; data_dir?: string }
  log: Logger
  /** Shorter in tests. */
  times?: Partial<RelayTimes>
}

/** A running relay. */
export interface RunningRelay extends AsyncDisposable {
  readonly port: number
}

/** Limit of a frame in uvicorn; a longer one closes the connection with 1009. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024
const SOCKETS = { noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false }
/** WebSocket close code of IANA, as uvicorn sends it. */
const SERVICE_RESTART = 1012

/**
 * A relay with the wire behavior of the one in the cloud, without accounts and command limits: a client with the token may
 * watch, several apps at a time unless `single_app`. Throws a ConfigError when it cannot listen on its address.
 */
export async function startRelay({ config, log, times = {} }: RelayDeps): Promise<RunningRelay> {
  const { local_relay: section, cloud, data_dir = './data' } = config
  const secrets = new Map(Object.entries(section.devices))
  if (cloud.device_id && cloud.device_secret) secrets.set(cloud.device_id, cloud.device_secret)
  const hub = new Hub({
    log,
    times: { ...RELAY_TIMES, ...times },
    iceServers: section.ice_servers,
    dogs: section.dogs,
    singleApp: section.single_app,
    deviceIds: [...secrets.keys()],
  })
  await using stack = new AsyncDisposableStack()
  const rejections = stack.use(createEventCounter(log, 'connections rejected', { every: 10_000 }))
  const access = Access.open({ drive: section.token, watch: section.watch_token }, data_dir, log)
  const origins = { hosts: section.hosts }
  const isRobot = robotCheck(secrets)
  const page = servePage(hub, { access, isRobot, ...origins })
  const media = stack.use(
    new MediaEndpoint({ hub, access, isRobot, folder: join(data_dir, 'relay/media'), ...origins }),
  )
  const others = { access, dataDir: data_dir, ...origins }
  const parts = [new WhepEndpoint(hub, others), media, new HistoryProxy(others)]
  const sockets = new WebSocketServer(SOCKETS)
  const httpsOnly = section.https
  const upgrade = createUpgradeHandler({ hub, sockets, secrets, access, origins, httpsOnly })
  const server = stack.use(
    await openServer({
      ...{ section, dataDir: data_dir, localName: `${hostLabel(cloud.device_id)}.local`, log },
      onRequest(request, response) {
        if (httpsOnly && !isPrivate(request)) sendAnswer(response, toHttps(request))
        else if (!parts.some((part) => part.serve(request, response))) page(request, response)
      },
      onUpgrade(request, socket, head, exempt) {
        socket.on('error', () => {}) // the client disconnected before the answer
        const rejected = upgrade(request, socket, head, exempt)
        if (rejected) rejections.count(rejected)
      },
    }),
  )
  const { port, certificate } = server
  stack.defer(() => {
    for (const client of sockets.clients) client.close(SERVICE_RESTART)
  })
  report(config, log, { port, devices: secrets.size, certificate })
  if (isAnnounced(config)) {
    const names = { host: hostLabel(cloud.device_id), instance: `WIM-Z ${cloud.device_id}` }
    const announced = { ...names, port, https: httpsOnly }
    stack.use(await Discovery.start({ announced, log }))
  }
  const owned = stack.move()
  return { port, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Whether a request is signed by one of the robots. */
function robotCheck(secrets: ReadonlyMap<string, string>) {
  return (request: IncomingMessage) =>
    authenticate(request, new URLSearchParams(), (id) => secrets.get(id)) !== undefined
}

function report(
  { local_relay: { host, https } }: RelayDeps['config'],
  log: Logger,
  { certificate, ...facts }: { port: number; devices: number; certificate: CertificatePair | undefined },
): void {
  const tls = certificate && { https, fingerprint: fingerprintOf(certificate) }
  log.info({ host, ...facts, ...tls }, 'relay listens')
  if (!https && !isLoopback(host))
    log.warn('page, token and commands cross this network unencrypted: set local_relay.https: true')
  if (facts.devices === 0)
    log.warn('no robot can log in here: set DEVICE_ID and DEVICE_SECRET, or local_relay.devices')
}

function isAnnounced({ local_relay: { discovery, host }, cloud }: RelayDeps['config']): boolean {
  return discovery && !isLoopback(host) && cloud.device_id !== '' && !isInBridgeNetwork()
}

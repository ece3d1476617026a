import { type Bus, connectBus } from '#bus/bus.ts'
import type { RelayConnectionState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { busLogin } from '#lib/bus-login.ts'
import { busUrls } from '#lib/config-schema.ts'
import { findPassword } from '#lib/password-file.ts'
import { hideCredentials } from '#lib/redact.ts'
import { VERSION } from '#lib/version.ts'
import type { CheckContext, RobotConfig } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

/** A local broker answers at once, a remote one may take longer. */
const LOGIN_TIMEOUT_MS = 4_000
/** Retries after "connection refused", for a broker that is starting. */
const STARTING_GRACE_MS = 1_000
/** Retained states arrive with the subscription. */
const STATES_TIMEOUT_MS = 1_500

/**
 * Name and password of the doctor, where readable: its user may lack access to `data_dir`, and the broker could not read a
 * password that root generated.
 */
function loginOf(config: RobotConfig['bus'], { broker, data_dir }: Partial<RobotConfig>) {
  if (!broker || data_dir === undefined) return {}
  try {
    return busLogin('doctor', config, { broker, data_dir }, findPassword)
  } catch {
    return {}
  }
}

interface BusCheck {
  results: CheckResult[]
  bus?: Bus
  brokerDown: boolean
}

/** Logs in to the bus: at each address of `bus.url`. The bus of the result is that of the first address that works. */
export async function checkBus(
  config: RobotConfig['bus'],
  sections: Partial<RobotConfig>,
): Promise<BusCheck> {
  const checks = await Promise.all(busUrls(config.url).map((url) => checkAddress(url, config, sections)))
  const results = checks.flatMap((check) => check.results)
  const [first, ...others] = checks.flatMap(({ bus }) => bus ?? [])
  await Promise.all(others.map((bus) => bus[Symbol.asyncDispose]()))
  const brokerDown = checks.every((check) => check.brokerDown)
  return { results, brokerDown, ...(first && { bus: first }) }
}

async function checkAddress(
  url: string,
  config: RobotConfig['bus'],
  sections: Partial<RobotConfig>,
): Promise<BusCheck> {
  const address = hideCredentials(url)
  let lastError: unknown = new Error('no answer')
  const failed = Promise.withResolvers<undefined>()
  const record = ({ err }: { err?: unknown }) => {
    if (err) lastError = err
    if (isRefused(err)) setTimeout(failed.resolve, STARTING_GRACE_MS)
    // more attempts prove nothing, and make the broker throttle this address
    if (isLoginRejected(err)) failed.resolve(undefined)
  }
  const log = { warn: record, info: record, debug: record }
  const startedAt = performance.now()
  const login = loginOf(config, sections)
  // the broker rejects a client id that is the name of another user
  const service = login.username === undefined ? 'examiner' : 'doctor'
  const options = { ...config, ...login, url, service, version: VERSION, announce: false, log }
  const timer = setTimeout(failed.resolve, LOGIN_TIMEOUT_MS)
  const abort = new AbortController()
  const bus = await Promise.race([connectBus(options, abort.signal), failed.promise])
  clearTimeout(timer)
  if (bus) {
    const ms = Math.round(performance.now() - startedAt)
    return { results: [ok('bus', `${address}, login within ${ms} ms`)], bus, brokerDown: false }
  }
  abort.abort()
  const brokerDown = isRefused(lastError)
  const advice = brokerDown
    ? 'start the robot; if it is running, check broker.port and bus.url'
    : 'check bus.url, bus.username and bus.password'
  return { results: [failure('bus', `${address}: ${reasonOf(lastError)}`, advice)], brokerDown }
}

/** The address is not in use. */
function isRefused(err: unknown): boolean {
  return (
    err instanceof Error && /ECONNREFUSED/.test(`${(err as NodeJS.ErrnoException).code} ${reasonOf(err)}`)
  )
}

/** Codes of a CONNACK, "bad user name or password" and "not authorized": MQTT 3.1.1 §3.2.2.3 and 5.0 §3.2.2.2. */
const LOGIN_REJECTED: ReadonlySet<unknown> = new Set([4, 5, 0x86, 0x87])

function isLoginRejected(err: unknown): boolean {
  return LOGIN_REJECTED.has((err as { code?: unknown } | undefined)?.code)
}

/** Collects the retained states of the services and of the relay connection. */
export async function readStates(bus: Bus, expected: readonly string[]) {
  const services: Map<
    string,
    CheckContext['services'] extends ReadonlyMap<string, infer State> ? State : never
  > = new Map()
  let link: RelayConnectionState | undefined
  const complete = Promise.withResolvers<void>()
  const update = () => {
    const all = expected.every((name) => services.has(name))
    if (all && (link || !expected.includes('relay-bridge'))) complete.resolve()
  }
  using _states = await bus.subscribe(topics.serviceState, (state, { params }) => {
    services.set(params.service, state)
    update()
  })
  using _link = await bus.subscribe(topics.link, (state) => {
    link = state
    update()
  })
  const timer = setTimeout(complete.resolve, STATES_TIMEOUT_MS)
  await complete.promise
  clearTimeout(timer)
  return { services, link }
}

/** The services that this config enables. */
export function expectedServices({
  broker,
  cloud,
  webrtc,
  audio,
  recorder,
  metrics,
  homeassistant,
}: Partial<RobotConfig>): string[] {
  return [
    broker?.enabled !== false && 'broker',
    cloud?.enabled !== false && 'relay-bridge',
    webrtc?.enabled !== false && 'webrtc',
    'vision',
    audio && (audio.source.type !== 'none' || audio.speaker.type !== 'none') && 'audio',
    recorder?.enabled && 'recorder',
    metrics?.port && 'metrics',
    homeassistant?.enabled && 'homeassistant',
  ].filter((name) => typeof name === 'string')
}

/** One result for each enabled service. */
export function checkServices(
  { services }: Pick<CheckContext, 'services'>,
  expected: readonly string[],
): CheckResult[] {
  return expected.map((name) => {
    const state = services.get(name)
    const check = `service ${name}`
    if (!state) return failure(check, 'never started', 'start it, and check its log')
    if (state.state === 'offline') return failure(check, 'is offline', 'start it, and check its log')
    const since = new Date(state.since).toISOString()
    if (state.version === VERSION) return ok(check, `online since ${since}, version ${VERSION}`)
    const advice = `restart it, so that it runs ${VERSION}`
    return warning(check, `online since ${since}, version ${state.version}`, advice)
  })
}

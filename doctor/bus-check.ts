import { type Bus, connectBus } from '#bus/bus.ts'
import type { RelayConnectionState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { busLogin } from '#lib/bus-login.ts'
import { findPassword } from '#lib/password-file.ts'
import { hideCredentials } from '#lib/redact.ts'
import { VERSION } from '#lib/version.ts'
import type { Patient, RobotConfig } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'

/** A broker of this machine answers at once; one elsewhere may take its time. Milliseconds. */
const LOGIN = 4_000
/** A broker that is just being started gets so long. */
const REFUSED = 1_000
/** Retained states come with the subscription. */
const STATES = 1_500

/**
 * Name and password of the doctor, if they can be read: a person may run it who may not look into `data_dir`, and what it
 * generated as root would be of no use to the broker.
 */
function loginOf(config: RobotConfig['bus'], { broker, data_dir }: Partial<RobotConfig>) {
  if (!broker || data_dir === undefined) return {}
  try {
    return busLogin('doctor', config, { broker, data_dir }, findPassword)
  } catch {
    return {}
  }
}

/** Logs in to the bus. */
export async function checkBus(
  config: RobotConfig['bus'],
  sections: Partial<RobotConfig>,
): Promise<{ findings: Finding[]; bus?: Bus; asleep: boolean }> {
  const address = hideCredentials(config.url)
  let last: unknown = new Error('no answer')
  const gaveUp = Promise.withResolvers<undefined>()
  const note = ({ err }: { err?: unknown }) => {
    if (err) last = err
    if (isRefused(err)) setTimeout(gaveUp.resolve, REFUSED)
    // another try proves nothing, and many make the broker hold this address off
    if (isLoginRefused(err)) gaveUp.resolve(undefined)
  }
  const log = { warn: note, info: note, debug: note }
  const began = performance.now()
  const login = loginOf(config, sections)
  // the client id of a user is refused to anybody else
  const service = login.username === undefined ? 'examiner' : 'doctor'
  const options = { ...config, ...login, service, version: VERSION, announce: false, log }
  const timer = setTimeout(gaveUp.resolve, LOGIN)
  const ending = new AbortController()
  const bus = await Promise.race([connectBus(options, ending.signal), gaveUp.promise])
  clearTimeout(timer)
  if (bus) {
    const ms = Math.round(performance.now() - began)
    return { findings: [ok('bus', `${address}, login within ${ms} ms`)], bus, asleep: false }
  }
  ending.abort()
  const asleep = isRefused(last)
  const advice = asleep
    ? 'start the robot; does it run, look at broker.port and bus.url'
    : 'look at bus.url, bus.username and bus.password'
  return { findings: [failure('bus', `${address}: ${reasonOf(last)}`, advice)], asleep }
}

/** Nothing listens there. */
function isRefused(err: unknown): boolean {
  return (
    err instanceof Error && /ECONNREFUSED/.test(`${(err as NodeJS.ErrnoException).code} ${reasonOf(err)}`)
  )
}

/** A CONNACK with "bad user name or password" or "not authorized". [MQTT-3.2.2-3] */
function isLoginRefused(err: unknown): boolean {
  const { code } = (err ?? {}) as { code?: unknown }
  return code === 4 || code === 5
}

/** Listens for what the services say of themselves. */
export async function listenToServices(bus: Bus, expected: readonly string[]) {
  const services: Map<
    string,
    Patient['services'] extends ReadonlyMap<string, infer State> ? State : never
  > = new Map()
  let link: RelayConnectionState | undefined
  const complete = Promise.withResolvers<void>()
  const look = () => {
    const all = expected.every((name) => services.has(name))
    if (all && (link || !expected.includes('relay-bridge'))) complete.resolve()
  }
  using _states = await bus.subscribe(topics.serviceState, (state, { params }) => {
    services.set(params.service, state)
    look()
  })
  using _link = await bus.subscribe(topics.link, (said) => {
    link = said
    look()
  })
  const timer = setTimeout(complete.resolve, STATES)
  await complete.promise
  clearTimeout(timer)
  return { services, link }
}

/** The services that this config asks for. */
export function expectedServices({
  broker,
  cloud,
  webrtc,
  metrics,
  homeassistant,
}: Partial<RobotConfig>): string[] {
  return [
    broker?.enabled !== false && 'broker',
    cloud?.enabled !== false && 'relay-bridge',
    webrtc?.enabled !== false && 'webrtc',
    'vision',
    metrics?.port && 'metrics',
    homeassistant?.enabled && 'homeassistant',
  ].filter((name) => typeof name === 'string')
}

/** One line for each service that there should be. */
export function checkServices(
  { services }: Pick<Patient, 'services'>,
  expected: readonly string[],
): Finding[] {
  return expected.map((name) => {
    const state = services.get(name)
    const check = `service ${name}`
    if (!state) return failure(check, 'never came up', 'start it, and look at its log')
    if (state.state === 'offline') return failure(check, 'is offline', 'start it, and look at its log')
    const since = new Date(state.since).toISOString()
    if (state.version === VERSION) return ok(check, `online since ${since}, version ${VERSION}`)
    const advice = `restart it, so that it runs ${VERSION} as well`
    return warning(check, `online since ${since}, version ${state.version}`, advice)
  })
}

import type { Bus } from '#bus/bus.ts'
import { JsonObject } from '#bus/messages.ts'
import { binary, json } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { config, type HomeAssistantConfig } from './config.ts'
import { ControlReceiver } from './control-receiver.ts'
import { deviceDiscovery, objectId } from './discovery.ts'
import { DogReport } from './dog-report.ts'
import { createReport, type Report, reportHappenings } from './happenings.ts'
import { LastSeenFile } from './last-seen.ts'
import { Presence } from './presence.ts'
import { watchReachable } from './reachable.ts'
import { ReadingsReport } from './readings.ts'

export const homeAssistant = defineService({
  name: 'homeassistant',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startHomeAssistant,
})

interface Times {
  /** Interval of checks whether the dog is still present (ms). */
  tick: number
  /** Without detections for this long, presence is unknown (ms). The slowest detector reports every 10 s. */
  silence: number
  /** Interval of readings of the machine (ms). */
  readings: number
}

/**
 * Announces the robot on Home Assistant's discovery topic, publishes what needs state (whether a dog is present, events,
 * readings), and makes commands of the controls that the owner allows.
 */
export async function startHomeAssistant(
  { bus, config, log }: Deps<HomeAssistantConfig>,
  { tick, silence, readings: intervalMs }: Times = { tick: 1_000, silence: 30_000, readings: 10_000 },
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { enabled, labels, absent_after, picture_every } = config.homeassistant
  if (!enabled) {
    log.warn('homeassistant.enabled is false: nothing to do')
    return stack.move()
  }
  const file = stack.use(new LastSeenFile(config.data_dir, log))
  const lastSeen = await file.read()
  const presence = new Presence({ labels, silence, absentAfter: absent_after * 1_000, lastSeen })
  const happened = createReport(bus)
  const onChange = (event: 'seen' | 'left') => happened('dog', event)
  const report = new DogReport({ bus, presence, onSeen: (at) => file.save(at), onChange })
  stack.use(await followVision(bus, presence, report))
  report.update()
  stack.use(every(tick, () => report.update()))
  const readings = stack.use(new ReadingsReport({ bus, dataDir: config.data_dir, intervalMs }))
  stack.use(await startOptional({ bus, config, log }, readings, happened))
  if (picture_every !== null) stack.use(every(picture_every * 1_000, () => requestFrame(bus)))
  const { reachable_topic } = config.homeassistant
  if (reachable_topic !== null) stack.use(watchReachable(bus, reachable_topic, log))
  stack.use(
    await announce(bus, config, () => {
      report.publish()
      readings.publish(true)
    }),
  )
  log.info({ discovery_prefix: config.homeassistant.discovery_prefix }, 'announced to Home Assistant')
  return stack.move()
}

/** What a users file of an earlier version does not allow: the log names the missing right, and the rest works. */
async function startOptional(
  { bus, config, log }: Pick<Deps<HomeAssistantConfig>, 'bus' | 'config' | 'log'>,
  readings: ReadingsReport,
  report: Report,
): Promise<Disposable> {
  const { controls, labels } = config.homeassistant
  using stack = new DisposableStack()
  const { command_limits: limits } = config.cloud
  const receiver = stack.use(new ControlReceiver({ bus, log, controls, limits, report }))
  const parts = {
    readings: () => readings.start(),
    events: async () => void stack.use(await reportHappenings(bus, report, labels)),
    controls: () => receiver.start(),
  }
  for (const [part, start] of Object.entries(parts)) {
    await start().catch((err: unknown) =>
      log.error({ err, part }, 'part not available: copy the user homeassistant from configs/broker.yaml'),
    )
  }
  return stack.move()
}

async function followVision(bus: Bus, presence: Presence, report: DogReport): Promise<Disposable> {
  using stack = new DisposableStack()
  stack.use(
    await bus.subscribe(topics.detections, (detections) => {
      presence.ingest(detections, performance.now())
      report.update()
    }),
  )
  const onState = ({ state }: { state: string }) => {
    if (state === 'offline') presence.visionLost()
    report.update()
  }
  stack.use(await bus.subscribe(topics.serviceState, onState, { service: 'vision' }))
  return stack.move()
}

/** Publishes the discovery message now and whenever Home Assistant starts; the bus repeats it after each reconnect. */
async function announce(bus: Bus, config: HomeAssistantConfig, repeat: () => void): Promise<Disposable> {
  const { discovery_prefix, name, controls, reachable_topic: reachableTopic } = config.homeassistant
  const robot = {
    ...{ name, controls, reachableTopic, deviceId: config.cloud.device_id, prefix: config.bus.prefix },
    hasAudio: config.audio.source.type !== 'none',
    hasSpeaker: config.audio.speaker.type !== 'none',
  }
  const { discovery, status } = homeAssistantTopics(discovery_prefix)
  const publish = () => {
    bus.publish(discovery, deviceDiscovery(robot), { id: objectId(robot) }).catch(() => {}) // logged by the bus
  }
  publish()
  return await bus.subscribe(status, (message) => {
    if (message.toString() !== 'online') return
    publish()
    repeat()
    requestFrame(bus)
  })
}

/** Home Assistant's own topics: discovery, and its birth and last will. */
function homeAssistantTopics(discoveryPrefix: string) {
  const unprefixed = true
  return {
    discovery: json(`${discoveryPrefix}/device/{id}/config`, {
      payload: JsonObject,
      qos: 1,
      retain: true,
      unprefixed,
      from: 'homeassistant',
      to: 'Home Assistant',
      description: 'The device and its entities.',
    }),
    status: binary(`${discoveryPrefix}/status`, {
      qos: 1,
      maxBytes: 100,
      unprefixed,
      from: 'Home Assistant',
      to: 'homeassistant',
      description: '`online` when it starts.',
    }),
  }
}

function requestFrame(bus: Bus): void {
  bus.publish(topics.frameRequest, {}).catch(() => {}) // logged by the bus
}

function every(ms: number, action: () => void): Disposable {
  const timer = setInterval(action, ms)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

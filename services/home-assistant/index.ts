import type { Bus } from '#bus/bus.ts'
import { JsonObject } from '#bus/messages.ts'
import { binary, json } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { config, type HomeAssistantConfig } from './config.ts'
import { deviceDiscovery, objectId } from './discovery.ts'
import { DogReport } from './dog-report.ts'
import { LastSeenFile } from './last-seen.ts'
import { Presence } from './presence.ts'

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
}

/**
 * Announces the robot on Home Assistant's discovery topic, and publishes what needs state: whether a dog is present, and
 * when one was last seen.
 */
export async function startHomeAssistant(
  { bus, config, log }: Deps<HomeAssistantConfig>,
  { tick, silence }: Times = { tick: 1_000, silence: 30_000 },
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
  const report = new DogReport({ bus, presence, onSeen: (at) => file.save(at) })
  stack.use(await followVision(bus, presence, report))
  report.update()
  stack.use(every(tick, () => report.update()))
  if (picture_every !== null) stack.use(every(picture_every * 1_000, () => requestFrame(bus)))
  stack.use(await announce(bus, config, report))
  log.info({ discovery_prefix: config.homeassistant.discovery_prefix }, 'announced to Home Assistant')
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
async function announce(bus: Bus, config: HomeAssistantConfig, report: DogReport): Promise<Disposable> {
  const { discovery_prefix, name, reachable_topic: reachableTopic } = config.homeassistant
  const robot = { name, deviceId: config.cloud.device_id, prefix: config.bus.prefix, reachableTopic }
  const { discovery, status } = homeAssistantTopics(discovery_prefix)
  const publish = () => {
    bus.publish(discovery, deviceDiscovery(robot), { id: objectId(robot) }).catch(() => {}) // logged by the bus
  }
  publish()
  return await bus.subscribe(status, (message) => {
    if (message.toString() !== 'online') return
    publish()
    report.publish()
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

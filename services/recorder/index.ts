/** Clips with pre-roll: what happened while no viewer watched, and recordings for apps. */
import { join } from 'node:path'
import { topics } from '#bus/topics.ts'
import { subscribeCommands } from '#commands/command-handlers.ts'
import { relayAddress } from '#lib/http/relay-address.ts'
import { layerLadder } from '#lib/layer-ladder.ts'
import { createPrivacy } from '#lib/media/privacy.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import type { Clip } from './clip.ts'
import { recordVideoCommands } from './commands/record-video.ts'
import { config, type RecorderConfig } from './config.ts'
import { soundFeed } from './feed/sound-feed.ts'
import { VideoFeed } from './feed/video-feed.ts'
import { startHistory } from './history/start.ts'
import { createMetrics } from './metrics.ts'
import { keepEvent } from './reasons/event-reasons.ts'
import { TrackReasons } from './reasons/track-reasons.ts'
import { Recordings } from './recording/recordings.ts'
import { GopRing } from './ring/gop-ring.ts'
import { StatePublisher } from './state-publisher.ts'
import { DiskGuard } from './store/disk-guard.ts'
import { FileClipStore } from './store/file-clip-store.ts'

export const recorder = defineService({
  name: 'recorder',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startRecorder,
})

type RecorderDeps = Deps<RecorderConfig> & { env?: Readonly<Record<string, string | undefined>> }

const MiB = 1024 * 1024
/** Clips are ended, and their length checked, without frames as well. */
const TICK_MS = 1_000

/** Records what `recorder.keep` names, and what apps ask for. A camera that is away is not an error. */
export async function startRecorder(deps: RecorderDeps): Promise<AsyncDisposable> {
  const { bus, config, log } = deps
  await using stack = new AsyncDisposableStack()
  if (!config.recorder.enabled) {
    log.warn('recorder.enabled is false: nothing to do')
    return stack.move()
  }
  const parts = await buildParts(deps, stack)
  connectEvents(deps, parts)
  const { recordings, tracks, state } = parts
  const { keep } = config.recorder
  await Promise.all([parts.video.reset(), parts.sound.reset()])
  // before anything may be recorded
  await parts.privacy.start()
  const subscribing = [
    bus.subscribe(topics.track, (event) => tracks.ingest(event)),
    bus.subscribe(topics.event, (_, { params }) => keepEvent(params.name, keep, recordings)),
    bus.subscribe(topics.visionState, ({ state: is, camera_ok }) => {
      parts.video.live = is === 'online' && camera_ok !== false
      if (is === 'offline') tracks.releaseAll()
    }),
    subscribeCommands({ bus, log }, recordVideoCommands({ bus, log, ...parts, target: targetOf(deps) })),
  ]
  for (const subscription of await Promise.all(subscribing)) stack.use(subscription)
  // the end of a track may have been missed, which would keep a clip open for ever; a later update holds it again
  stack.use(bus.onConnect(() => tracks.releaseAll()))
  await parts.disk.check()
  parts.update()
  state.changed()
  return stack.move()
}

type Parts = Awaited<ReturnType<typeof buildParts>>

/** The parts, each built from those before it. */
async function buildParts({ bus, config, log, metrics }: RecorderDeps, stack: AsyncDisposableStack) {
  const { recorder: section, data_dir: dataDir } = config
  const store = await FileClipStore.open(join(dataDir, 'recorder/clips'), log)
  stack.use(await startHistory({ bus, log, dataDir, clips: store, days: section.retention.days }))
  const lost = stack.use(createEventCounter(log, 'frames not recorded'))
  const maxPre = longestPre(section.keep) * 1_000
  const keepMs = maxPre + section.keyframe_interval * 1_000
  const ring = new GopRing({ maxBytes: section.buffer_mb * MiB, keepMs })
  const { layer } = section
  const bitrate = bitrateOf(config)
  const keyframeInterval = section.keyframe_interval * 1_000
  const video = stack.use(new VideoFeed({ bus, log, lost, layer, bitrate, keyframeInterval }))
  const sound = stack.use(soundFeed({ bus, log, onPacket: (packet) => ring.addSound(packet) }))
  const disk = stack.use(new DiskGuard({ store, rules: section, log }))
  const recordings = new Recordings({
    ...{ ring, store, log, maxPre },
    maxClipMs: section.max_clip_seconds * 1_000,
    continuousMs: section.continuous.enabled ? section.continuous.minutes * 60_000 : undefined,
    syncInterval: section.sync_interval * 1_000,
  })
  stack.defer(() => recordings.stop('end', 'the recorder was stopped'))
  const tracks = new TrackReasons(section.keep, recordings)
  const onChanged = () => {
    if (privacy.enabled) void recordings.stop('privacy', 'privacy is on')
    else recordings.resume('privacy')
  }
  const privacy = stack.use(createPrivacy({ bus, log, dataDir, onChanged }))
  const isPrivate = () => privacy.enabled
  const state = stack.use(new StatePublisher({ bus, store, ring, recordings, disk, isPrivate }))
  createMetrics({ lost, ring, store, recordings }, metrics)
  const isKeeping = section.continuous.enabled || hasReasons(section.keep)
  /** Video is needed for the seconds before an event, and while an app records. */
  const update = () => {
    const wanted = recordings.stopped === undefined && (isKeeping || recordings.commanded)
    video.wanted = wanted
    sound.wanted = wanted && section.sound
    // a file that is being completed still takes its sound from the ring
    if (!wanted && !recordings.busy) ring.clear()
  }
  const timer = setInterval(() => recordings.advance(), TICK_MS)
  stack.defer(() => clearInterval(timer))
  return { store, ring, video, sound, disk, recordings, tracks, privacy, state, update }
}

function connectEvents({ bus, log }: RecorderDeps, parts: Parts): void {
  const { store, ring, video, disk, recordings, tracks, state, update } = parts
  const tell = (type: 'new' | 'update' | 'end' | 'removed') => (clip: Clip) => {
    state.changed()
    bus.publish(topics.clips, { type, clip }).catch((err: unknown) => log.warn({ err }, 'clip not announced'))
  }
  store.on('begun', tell('new'))
  store.on('changed', tell('update'))
  store.on('finished', tell('end'))
  store.on('removed', tell('removed'))
  video.on('frame', (frame) => {
    if (ring.add(frame)) recordings.advance()
  })
  recordings.on('change', () => {
    update()
    state.changed()
  })
  recordings.on('resumed', () => tracks.holdAgain())
  recordings.on('failed', (err) => {
    log.warn({ err }, 'clip not written')
    disk.writeFailed(err)
  })
  disk.on('full', (reason) => {
    log.error({ reason }, 'recording stopped: free some space, or lower recorder.retention')
    void recordings.stop('disk', reason)
    bus
      .publish(
        topics.event,
        { reason, message: `recording stopped: ${reason}` },
        { name: 'recording_stopped' },
      )
      .catch((err: unknown) => log.warn({ err }, 'event not published'))
    void disk.check()
  })
  disk.on('free', () => {
    log.info('recording again')
    recordings.resume('disk')
  })
}

/** bit/s */
function bitrateOf({ recorder: { bitrate_kbps: own, layer }, webrtc }: RecorderConfig): number {
  return own === null ? layerLadder(webrtc.video.bitrate_kbps * 1_000)[layer].bitrate : own * 1_000
}

function targetOf({ config: { cloud }, env = process.env }: RecorderDeps) {
  if (!cloud.enabled || !cloud.device_id) return undefined
  return { relay: relayAddress(cloud.relay_url, env.RELAY_URL), deviceId: cloud.device_id }
}

type Keep = RecorderConfig['recorder']['keep']

function spansOf({ labels, zones, events, treats }: Keep) {
  return [labels, zones, events].flatMap((group) => Object.values(group)).concat(treats ?? [])
}

/** Seconds. */
function longestPre(keep: Keep): number {
  return Math.max(0, ...spansOf(keep).map(({ pre }) => pre))
}

function hasReasons(keep: Keep): boolean {
  return spansOf(keep).length > 0
}

import type { Bus } from '#bus/bus.ts'
import { LAYERS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { subscribeCommands } from '#commands/command-handlers.ts'
import { DataDir, WebrtcSection } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { createMode } from '#lib/media/robot-mode.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { schedulingDelay } from '#lib/process/scheduling-delay.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { Camera } from './camera/camera.ts'
import { captureFrom } from './camera/sources/open.ts'
import { cameraControl } from './commands/camera-control.ts'
import { setDetector } from './commands/set-detector.ts'
import { setOverlay } from './commands/set-overlay.ts'
import { setPrivacy } from './commands/set-privacy.ts'
import { takePhoto } from './commands/take-photo.ts'
import { PrivacySection, VisionSection } from './config.ts'
import { Detector } from './detect/detector.ts'
import { subscribeDemand } from './encode/demand.ts'
import { LayerEncoders } from './encode/layer-encoders.ts'
import { OverloadControl } from './encode/overload-control.ts'
import { Snapshots } from './encode/snapshots.ts'
import type { CapturedFrame } from './frame/captured-frame.ts'
import { createConflatingQueue } from './frame/conflating-queue.ts'
import { LatestFrame } from './frame/latest-frame.ts'
import { createMetrics } from './metrics.ts'
import { OverlayRenderer } from './overlay/overlay-renderer.ts'
import { PrivacySwitch } from './privacy/privacy-switch.ts'
import { Schedule } from './privacy/schedule.ts'
import { StatePublisher } from './state-publisher.ts'
import { DetectionTracking } from './track/detection-tracking.ts'
import { createProfiles } from './track/profiles.ts'

interface VisionConfig {
  vision: VisionSection
  privacy: PrivacySection
  /** Size, rate and bitrate of the video. */
  webrtc: Pick<WebrtcSection, 'video'>
  data_dir: string
}

export const vision = defineService({
  name: 'vision',
  config: { vision: VisionSection, privacy: PrivacySection, webrtc: WebrtcSection, data_dir: DataDir },
  start: startVision,
})

/** Captures, detects, tracks, draws, and encodes the layers in demand. A missing camera or model is not an error. */
export async function startVision(deps: Deps<VisionConfig>): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const parts = createParts(deps, stack)
  connectFrames(parts, deps.bus)
  connectState(parts)
  const { camera, detector, tracking, overload, privacy, state } = parts
  // before the camera opens
  await privacy.start()
  detector.start()
  tracking.start()
  overload.start()
  camera.start()
  await subscribe(deps, parts, stack)
  state.start()
  return stack.move()
}

type Parts = ReturnType<typeof createParts>

/** Builds the parts; `stack` disposes of them in reverse order, the camera first. */
function createParts(
  { bus, config, log, metrics: registry }: Deps<VisionConfig>,
  stack: AsyncDisposableStack,
) {
  const { source, rotate, flip, zones, detector: settings, snapshot_fps, ...section } = config.vision
  const { fps, bitrate_kbps, width, height, enable_ai_overlay } = config.webrtc.video
  const drops = stack.use(createEventCounter(log, 'frames dropped'))
  const metrics = createMetrics(drops, registry)
  const profiles = stack.use(createProfiles(bus))
  const mode = stack.use(createMode(bus))
  const tracking = stack.use(new DetectionTracking({ bus, profiles, zones, settings }))
  const enabled = section.overlay && enable_ai_overlay
  const overlay = new OverlayRenderer({ enabled, tracking, profiles, mode })
  const latestFrame = stack.use(new LatestFrame())
  const bitrate = bitrate_kbps * 1000
  const layers = stack.use(new LayerEncoders({ bus, log, drops, overlay, fps, bitrate }))
  const overload = stack.use(new OverloadControl(log, () => schedulingDelay.isStarved))
  const snapshots = stack.use(new Snapshots({ bus, drops, latestFrame, overlay, fps: snapshot_fps }))
  const detector = stack.use(new Detector({ config: settings, log, drops }))
  const afterEncoding = stack.use(createAfterEncoding({ layers, detector, snapshots }))
  const camera = stack.use(
    new Camera({
      settings: { source, rotate, flip, width, height, fps, maxPixels: section.max_pixels },
      captureFrom,
      log,
    }),
  )
  const shown = { camera, detector, tracking, overlay, layers, overload, metrics, drops }
  const state = stack.use(new StatePublisher({ bus, ...shown }))
  const schedule = new Schedule(config.privacy.schedule)
  const privacy = stack.use(new PrivacySwitch({ bus, log, dataDir: config.data_dir, schedule }))
  return { ...shown, privacy, profiles, mode, latestFrame, snapshots, afterEncoding, state }
}

/** A frame from the camera to the encoders, the detector and the tracks. */
function connectFrames(parts: Parts, bus: Bus): void {
  const { camera, detector, tracking, layers, overload, metrics, latestFrame, afterEncoding } = parts
  camera.on('frame', (captured) => {
    if (captured.live) metrics.captured(performance.now() - captured.at)
    latestFrame.offer(captured)
    layers.offer(captured)
    afterEncoding.offer(captured.share())
  })
  camera.on('edge', (camera_ok, camera_error) => {
    const event = { camera_ok, camera_error }
    bus.publish(topics.event, event, { name: 'camera_status_changed' }).catch(() => {}) // the bus logs it
  })
  detector.on('detections', (candidates, captured, inferenceMs) => {
    tracking.update(candidates, captured, inferenceMs)
    metrics.detected({ age: performance.now() - captured.at, inferenceMs })
  })
  layers.on('published', (encoded) => {
    overload.published(encoded)
    metrics.encoded(encoded)
  })
  layers.on('dropped', () => overload.dropped())
}

/** Changed settings and conditions. */
function connectState({
  camera,
  detector,
  tracking,
  layers,
  overload,
  latestFrame,
  snapshots,
  privacy,
  state,
}: Parts): void {
  privacy.on('change', (enabled) => {
    camera.setPrivate(enabled)
    if (!enabled) return
    latestFrame.clear()
    // Home Assistant shows the last picture until there is another
    snapshots.renew()
  })
  camera.on('change', () => {
    layers.setFps(camera.settings.fps)
    state.changed()
  })
  detector.on('change', () => {
    tracking.configure(detector.settings)
    overload.detecting = detector.ok
    state.changed()
  })
  overload.on('change', ({ detection, steps }) => {
    layers.reduce(steps)
    detector.limitRate(detection)
    state.changed()
  })
}

/** Subscribes to everything at once: each SUBACK may take seconds. */
async function subscribe(
  { bus, config, log }: Deps<VisionConfig>,
  parts: Parts,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { layers, snapshots, state, profiles, mode } = parts
  const subscriptions = [
    ...LAYERS.map((layer) => bus.subscribe(topics.keyframe, () => layers.requestKeyframe(layer), { layer })),
    bus.subscribe(topics.frameRequest, () => snapshots.request()),
    subscribeDemand(bus, (wanted) => layers.want(wanted) && state.changed()),
    subscribeCommands({ bus, log }, commandsOf(config, bus, log, parts)),
  ]
  await Promise.all([profiles.start(), mode.start(), ...subscriptions])
  for (const subscription of subscriptions) stack.use(await subscription)
}

function commandsOf(
  { vision: section, data_dir: dataDir }: VisionConfig,
  bus: Bus,
  log: Logger,
  parts: Parts,
) {
  const { camera, detector, overlay, latestFrame, privacy, state } = parts
  return [
    setDetector({ detector, configured: section.detector, dataDir }),
    cameraControl({ camera, dataDir, hosts: section.sources_from_commands }),
    setOverlay(overlay, () => state.changed()),
    setPrivacy(privacy, camera),
    takePhoto({ bus, log, dataDir, latestFrame, camera, overlay, limits: section.photos }),
  ]
}

interface AfterEncodingOptions {
  layers: LayerEncoders
  detector: Detector
  snapshots: Snapshots
}

/**
 * Passes frames to the detector and the snapshots when the encoders are done with them: with few cores, an inference or a
 * JPEG at the same time would double the encoding time.
 */
function createAfterEncoding({ layers, detector, snapshots }: AfterEncodingOptions) {
  return createConflatingQueue<CapturedFrame>(
    async (captured) => {
      await layers.settled()
      detector.offer(captured)
      snapshots.offer(captured)
    },
    () => {}, // the encoders are behind; the newer frame is used
  )
}

import type { Bus } from '#bus/bus.ts'
import { LAYERS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { DataDir, WebrtcSection } from '#lib/config-schema.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { Camera } from './camera/camera.ts'
import { captureFrom } from './camera/sources/open.ts'
import { cameraControl } from './commands/camera-control.ts'
import { answerCommands } from './commands/commands.ts'
import { setDetector } from './commands/set-detector.ts'
import { type DetectorSection, VisionSection } from './config.ts'
import { Detector } from './detect/detector.ts'
import { followDemand } from './encode/demand-subscription.ts'
import type { Layers } from './encode/layer-encoders.ts'
import { Snapshots } from './encode/snapshots.ts'
import { createVideo, type Video } from './encode/video.ts'
import type { CapturedFrame } from './frame/captured-frame.ts'
import { createLatest } from './frame/conflating-queue.ts'
import { Newest } from './frame/latest-frame.ts'
import { createMetrics, type VisionMetrics } from './metrics.ts'
import { followMode } from './mode.ts'
import { Hud, setOverlay } from './overlay/overlay-renderer.ts'
import { takePhoto } from './photos/take-photo.ts'
import { createReport } from './state-publisher.ts'
import { Sight } from './track/detection-tracking.ts'
import { followProfiles } from './track/profiles.ts'

interface VisionConfig {
  vision: VisionSection
  /** Size, rate and bitrate of the video are kept there. */
  webrtc: Pick<WebrtcSection, 'video'>
  data_dir: string
}

export const vision = defineService({
  name: 'vision',
  config: { vision: VisionSection, webrtc: WebrtcSection, data_dir: DataDir },
  start: startVision,
})

/** Captures, detects, follows, draws, and encodes what somebody watches. A missing camera or model is no error. */
export async function startVision(deps: Deps<VisionConfig>): Promise<AsyncDisposable> {
  const { bus, config, log } = deps
  await using stack = new AsyncDisposableStack()
  const { vision: section, data_dir: dataDir } = config
  const { fps, bitrate_kbps, width, height, enable_ai_overlay } = config.webrtc.video
  const seen = { zones: section.zones, overlay: section.overlay && enable_ai_overlay }
  const drops = stack.use(createEventCounter(log, 'frames dropped'))
  const metrics = createMetrics(drops, deps.metrics)
  const report = stack.use(createReport(() => sayState()))
  const onChange = () => report.changed()
  const { sight, hud } = stack.use(await openSight(bus, seen, () => detector.settings))
  const newest = stack.use(new Newest())
  const drawing = { drops, paint: hud.paint, newest }
  const bitrate = bitrate_kbps * 1000
  const video = stack.use(
    createVideo({ bus, log, metrics, onChange, fps, bitrate, detection: () => detector, ...drawing }),
  )
  const { layers } = video
  const snapshots = stack.use(createSnapshots(bus, section, drawing))
  const onDetected = measured(sight, metrics)
  const detector: Detector = stack.use(
    new Detector({ config: section.detector, log, drops, onDetected, onChange }),
  )
  const afterVideo = stack.use(createAfterVideo(layers, [detector, snapshots]))
  const onFrame = (captured: CapturedFrame) => {
    if (captured.live) metrics.captured(performance.now() - captured.at)
    newest.offer(captured)
    layers.offer(captured)
    afterVideo.offer(captured.share())
  }
  const settings = { ...pick(section), width, height, fps }
  const camera = stack.use(
    new Camera({ settings, captureFrom, log, onFrame, onChange, onEdge: tellOfCamera(bus) }),
  )
  const parts = { camera, detector, sight, hud, video, drops }
  const sayState = () => bus.setState(stateOf(parts))
  stack.use(await followVideo(bus, layers, onChange))
  stack.use(await bus.subscribe(topics.frameRequest, () => snapshots.request()))
  const photos = { newest, cameraError: () => camera.error, paint: hud.draw, limits: section.photos }
  const handlers = [
    setDetector({ detector, configured: section.detector, dataDir }),
    cameraControl({ camera, dataDir, onFps: (rate) => layers.setFps(rate) }),
    setOverlay(hud, onChange),
    takePhoto({ bus, log, dataDir, ...photos }),
  ]
  stack.use(await answerCommands({ bus, log }, handlers))
  return stack.move()
}

interface Parts {
  camera: Camera
  detector: Detector
  sight: Sight
  hud: Hud
  video: Video
  drops: EventCounter
}

/** `vision/state` */
function stateOf({ camera, detector, sight, hud, video, drops }: Parts) {
  return {
    ...camera.summary,
    detector: detector.summary,
    tracks: sight.count,
    overlay: hud.enabled,
    ...video.summary,
    dropped: drops.totals,
  }
}

const pick = ({ source, rotate, flip }: VisionSection) => ({ source, rotate, flip })

/** What is seen, and how it is drawn. */
async function openSight(
  bus: Bus,
  { zones, overlay }: Pick<VisionSection, 'zones' | 'overlay'>,
  settings: () => DetectorSection,
) {
  using stack = new DisposableStack()
  const profiles = stack.use(await followProfiles(bus))
  const mode = stack.use(await followMode(bus))
  const sight = stack.use(new Sight({ bus, profiles, settings, zones }))
  const hud = new Hud({ enabled: overlay, sight, profiles, mode })
  const owned = stack.move()
  return { sight, hud, [Symbol.dispose]: () => owned[Symbol.dispose]() }
}

type Drawing = Pick<ConstructorParameters<typeof Snapshots>[0], 'drops' | 'paint' | 'newest'>

function createSnapshots(bus: Bus, { snapshot_fps }: VisionSection, drawing: Drawing): Snapshots {
  return new Snapshots({ fps: snapshot_fps, ...drawing, publish: (jpeg) => bus.publish(topics.frame, jpeg) })
}

/** Follows what the detector has seen, and measures how long that took. */
function measured(sight: Sight, metrics: VisionMetrics): Sight['take'] {
  return (candidates, captured, inferenceMs) => {
    sight.take(candidates, captured, inferenceMs)
    metrics.detected({ age: performance.now() - captured.at, inferenceMs })
  }
}

/** Encodes what is in demand, and makes keyframes when asked to. */
async function followVideo(bus: Bus, layers: Layers, onChange: () => void): Promise<Disposable> {
  using stack = new DisposableStack()
  stack.use(await followDemand(bus, (wanted) => layers.want(wanted) && onChange()))
  for (const layer of LAYERS) {
    stack.use(await bus.subscribe(topics.keyframe, () => layers.requestKeyframe(layer), { layer }))
  }
  return stack.move()
}

/**
 * Shows pictures to those who can wait until the encoders are done with them: where cores are few, an inference or a
 * JPEG beside it would double the time that encoding takes.
 */
function createAfterVideo(layers: Layers, patient: readonly { offer(captured: CapturedFrame): void }[]) {
  return createLatest<CapturedFrame>(
    async (captured) => {
      await layers.settled()
      for (const one of patient) one.offer(captured)
    },
    () => {}, // video is behind: the newer picture is looked at
  )
}

/** API_CONTRACT 2.4: on an edge only. */
function tellOfCamera(bus: Bus) {
  return (camera_ok: boolean, camera_error: string | null) => {
    const event = { camera_ok, camera_error }
    bus.publish(topics.event, event, { name: 'camera_status_changed' }).catch(() => {}) // the bus warns
  }
}

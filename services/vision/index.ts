import { LAYERS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { DataDir, WebrtcSection } from '#lib/sections.ts'
import { type Deps, defineService } from '#lib/service.ts'
import { createTally } from '#lib/tally.ts'
import { Camera } from './camera.ts'
import type { CapturedFrame } from './captured-frame.ts'
import { answerCommands } from './commands.ts'
import { VisionSection } from './config.ts'
import { Detector } from './detect/detector.ts'
import { setDetector } from './detect/set-detector.ts'
import type { Layers } from './encode/layers.ts'
import { Snapshots } from './encode/snapshots.ts'
import { followDemand } from './follow-demand.ts'
import { createLatest } from './latest.ts'
import { paintOverlay } from './overlay/overlay.ts'
import type { Planes } from './pixels.ts'
import { followProfiles } from './profiles.ts'
import { createReport } from './report.ts'
import { Sight } from './sight.ts'
import { captureFrom } from './sources/open.ts'
import { createVideo } from './video.ts'
import { toEpoch } from './wall-clock.ts'

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

/** Captures, detects, draws, and encodes what somebody watches. A missing camera or model is no error. */
export async function startVision({ bus, config, log }: Deps<VisionConfig>): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { source, detector: detectorConfig, overlay, snapshot_fps, zones } = config.vision
  const { fps, bitrate_kbps, ...size } = config.webrtc.video
  const drops = stack.use(createTally(log, 'frames dropped'))
  const profiles = stack.use(await followProfiles(bus))
  const settings = () => detector.settings
  const sight = stack.use(new Sight({ bus, profiles, settings, zones }))
  const report = stack.use(createReport(() => sayState()))
  const onChange = () => report.changed()
  const paint = overlay ? painter(sight) : () => {}
  const video = stack.use(
    createVideo({
      ...{ bus, log, drops, paint, onChange, fps, bitrate: bitrate_kbps * 1000 },
      detection: () => detector,
    }),
  )
  const { layers } = video
  const snapshots = stack.use(
    new Snapshots({ fps: snapshot_fps, drops, paint, publish: (jpeg) => bus.publish(topics.frame, jpeg) }),
  )
  const onDetected = sight.take.bind(sight)
  const detector: Detector = stack.use(
    new Detector({ config: detectorConfig, log, drops, onDetected, onChange }),
  )
  const afterVideo = stack.use(createAfterVideo(layers, [detector, snapshots]))
  const onFrame = (captured: CapturedFrame) => {
    layers.offer(captured)
    afterVideo.offer(captured.share())
  }
  const capture = captureFrom(source)
  const camera = stack.use(new Camera({ capture, size, fps, log, onFrame, onChange }))
  function sayState() {
    bus.setState({
      source: source.type,
      ...camera.summary,
      detector: detector.summary,
      tracks: sight.count,
      ...video.summary,
      dropped: drops.totals,
    })
  }
  stack.use(await followDemand(bus, (wanted) => layers.want(wanted) && onChange()))
  for (const layer of LAYERS) {
    stack.use(await bus.subscribe(topics.keyframe, () => layers.requestKeyframe(layer), { layer }))
  }
  stack.use(await bus.subscribe(topics.frameRequest, () => snapshots.request()))
  const handlers = [setDetector({ detector, configured: detectorConfig, dataDir: config.data_dir })]
  stack.use(await answerCommands({ bus, log }, handlers))
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

/** Draws what is in sight, each where it is by then, and the time. */
function painter(sight: Sight) {
  return (planes: Planes, captured: CapturedFrame) =>
    paintOverlay(planes, captured.live ? sight.at(captured.at) : [], toEpoch(captured.at))
}

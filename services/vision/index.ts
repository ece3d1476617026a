import { LAYERS, type Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { WebrtcSection } from '#lib/sections.ts'
import { type Deps, defineService } from '#lib/service.ts'
import { createTally } from '#lib/tally.ts'
import { Camera } from './camera.ts'
import { VisionSection } from './config.ts'
import { DemandTable } from './encode/demand.ts'
import { LayerStream } from './encode/layer.ts'
import type { Size } from './fit.ts'
import { paintOverlay } from './overlay/overlay.ts'
import { captureFrom } from './sources/open.ts'
import { toEpoch } from './wall-clock.ts'

const BOXES: Record<Layer, Size> = {
  high: { width: 1280, height: 720 },
  medium: { width: 960, height: 540 },
  low: { width: 640, height: 360 },
}

interface Config {
  vision: VisionSection
  webrtc: WebrtcSection
}

export const vision = defineService({
  name: 'vision',
  config: { vision: VisionSection, webrtc: WebrtcSection },
  start: startVision,
})

/** Captures, detects, draws, and encodes what somebody watches. */
export async function startVision({ bus, config, log }: Deps<Config>): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { video } = config.webrtc
  const drops = stack.use(createTally(log, 'video frames dropped'))
  const layers = {} as Record<Layer, LayerStream>
  for (const name of LAYERS) {
    layers[name] = stack.use(
      new LayerStream({
        name,
        box: BOXES[name],
        fps: video.fps,
        log,
        drops,
        paint: (pixels, captured) => {
          if (config.vision.overlay) paintOverlay(pixels, [], toEpoch(captured.at))
        },
        publish: (unit) => bus.publish(topics.video, unit, { layer: name }),
      }),
    )
  }
  const table = new DemandTable()
  const update = () => {
    const wanted = table.wanted(Date.now())
    for (const name of LAYERS) layers[name].bitrate = wanted[name]
  }
  stack.use(
    await bus.subscribe(topics.demand, (demand, { params }) => {
      table.set(params.who, demand)
      update()
    }),
  )
  stack.use(
    await bus.subscribe(topics.serviceState, (state, { params }) => {
      table.setOnline(params.service, state.state === 'online')
      update()
    }),
  )
  stack.use(
    new Camera({
      capture: captureFrom(config.vision.source),
      size: video,
      fps: video.fps,
      log,
      onFrame: (captured) => {
        for (const name of LAYERS) layers[name].offer(captured)
      },
      onChange: () => {},
    }),
  )
  return stack.move()
}

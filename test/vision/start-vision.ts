import type { TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { VisionSection } from '#services/vision/config.ts'
import { startVision } from '#services/vision/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

export const CLIP = { type: 'url', url: 'demo/clip.mp4' }
const MINUTE = 60_000

interface Config {
  vision?: object
  webrtc?: object
  dataDir?: string
}

/** A `command-result`, and how long it took, ms. */
interface Answer {
  success: boolean
  error?: string | undefined
  took: number
  [extra: string]: unknown
}

/** The service on an in-memory broker, and an app that looks at it and commands it. */
export async function startTestVision(t: TestContext, { vision = {}, webrtc = {}, dataDir }: Config = {}) {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const app = await memory.connect('app')
  const states = await collect(app, topics.serviceState, { service: 'vision' })
  const results = await collect(app, topics.commandResult)
  const folder = dataDir ?? temporaryFolder(t)
  const service = await startVision({
    bus,
    log: memory.log,
    config: {
      vision: VisionSection.parse({ source: CLIP, snapshot_fps: 0, detector: { enabled: false }, ...vision }),
      privacy: { schedule: [] },
      webrtc: WebrtcSection.parse(webrtc),
      data_dir: folder,
    },
  })
  t.after(() => service[Symbol.asyncDispose]())
  let count = 0

  /** Sends a command; resolves with its result. */
  async function send(name: string, params: Record<string, unknown>, within = 20_000): Promise<Answer> {
    const id = `${name}-${++count}`
    const command = { id, name, params, source: 'relay' as const, received_at: Date.now() }
    const start = performance.now()
    await app.publish(topics.command, command, { name })
    const { payload } = await results.next({ within, where: (result) => result.id === id })
    return { ...payload, took: performance.now() - start }
  }

  /** Asks for layers of the video, each at this bitrate. */
  async function watch(layers: readonly string[], bitrate = 800_000) {
    const wanted = Object.fromEntries(layers.map((layer) => [layer, { bitrate }]))
    const until = Date.now() + 5 * MINUTE
    await app.publish(topics.demand, { codec: 'h264', layers: wanted, until }, { who: 'debug' })
  }

  const cameraOk = () => states.next({ within: 15_000, where: ({ camera_ok }) => camera_ok === true })
  return { memory, app, states, dataDir: folder, send, watch, cameraOk }
}

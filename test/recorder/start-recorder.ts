import type { TestContext } from 'node:test'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { RecorderSection } from '#services/recorder/config.ts'
import { startRecorder } from '#services/recorder/index.ts'
import { startVision, vision } from '#services/vision/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

interface Options {
  recorder?: object
  cloud?: object
  folder?: string
  /** What was on the bus before. */
  before?(bus: Bus): Promise<void>
}

/** Vision with the clock in its frames, the recorder, and an app, on an in-memory broker. */
export async function startTestRecorder(
  t: TestContext,
  { recorder = {}, cloud = {}, folder, before }: Options = {},
) {
  const memory = await memoryBus(t)
  const dataDir = folder ?? temporaryFolder(t)
  const app = await memory.connect('app')
  await before?.(app)
  const clips = await collect(app, topics.clips)
  const results = await collect(app, topics.commandResult)
  const events = await collect(app, topics.event)
  const states = await collect(app, topics.recorderState)
  const webrtc = WebrtcSection.parse({})
  const visionBus = await memory.connect('vision')
  memory.use(
    await startVision({
      bus: visionBus,
      log: memory.log,
      config: z.object(vision.config).parse({
        vision: {
          source: { type: 'synthetic' },
          snapshot_fps: 0,
          overlay: false,
          detector: { enabled: false },
        },
        data_dir: dataDir,
      }),
    }),
  )
  const service = memory.use(
    await startRecorder({
      bus: await memory.connect('recorder'),
      log: memory.log,
      config: {
        recorder: // the layer that overload leaves alone
          RecorderSection.parse({ enabled: true, layer: 'low', ...recorder }),
        webrtc,
        cloud: { enabled: true, relay_url: 'ws://127.0.0.1:9', device_id: 'wimz_robot_99', ...cloud },
        data_dir: dataDir,
      },
      env: {},
    }),
  )
  let count = 0
  return {
    ...{ ...memory, app, clips, events, states, service, dataDir },
    /** Publishes an event of a robot service. */
    event: (name: string) => app.publish(topics.event, {}, { name }),
    /** Sends a command; resolves with its result. */
    async send(name: string, params: Record<string, unknown> = {}) {
      const id = `${name}-${++count}`
      const command = { id, name, params, source: 'relay' as const, received_at: Date.now() }
      await app.publish(topics.command, command, { name })
      return (await results.next({ where: (result) => result.id === id })).payload
    },
  }
}

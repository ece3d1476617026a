import type { TestContext } from 'node:test'
import { Registry } from 'prom-client'
import { CommandSection } from '#commands/actuators.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { startWebrtc } from '#services/webrtc/index.ts'
import type { Timings } from '#services/webrtc/session/timings.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { openCamera } from './camera.ts'

/** The service on an in-memory bus, with a camera, and with `bus` as the rest of the robot. */
export async function startRobot(
  t: TestContext,
  { cloud: limits, microphone = 'none', speaker = 'none', ...config }: Record<string, unknown> = {},
  timings: Partial<Timings> = {},
  given: Parameters<typeof startWebrtc>[2] = {},
) {
  const memory = await memoryBus(t)
  const bus = await memory.connect('relay-bridge', { announce: false })
  const camera = await openCamera(await memory.connect('vision', { announce: false }))
  t.after(() => camera[Symbol.dispose]())
  const webrtc = WebrtcSection.parse({ stun_servers: [], ...config })
  const cloud = { relay_url: 'ws://127.0.0.1', ...(limits as object), ...CommandSection.parse(limits ?? {}) }
  const metrics = new Registry()
  const service = await startWebrtc(
    {
      bus: await memory.connect('webrtc'),
      config: {
        webrtc,
        cloud,
        audio: { source: { type: String(microphone) }, speaker: { type: String(speaker) } },
      },
      log: memory.log,
      metrics,
    },
    timings,
    given,
  )
  t.after(() => service[Symbol.asyncDispose]())
  return { ...memory, bus, camera, service, metrics }
}

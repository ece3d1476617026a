import { fork } from 'node:child_process'
import { once } from 'node:events'
import { broker } from '#broker/index.ts'
import { connectBus } from '#bus/bus.ts'
import { parseSections } from '#lib/config.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { openCamera } from './camera.ts'
import type { Held } from './service-child.ts'

/** The service in a process of its own, as on a robot, with broker, camera and viewers in this one. */
export async function startServiceProcess() {
  const stack = new AsyncDisposableStack()
  const log = createLogger('test', { write: () => undefined })
  const config = parseSections({ path: 'none', sections: { broker: { port: 0 } }, env: {} }, broker.config)
  const { port } = stack.use(await broker.start({ config, log })) as { port: number } & AsyncDisposable
  const url = `mqtt://127.0.0.1:${port}`
  const connect = async (service: string) =>
    stack.use(await connectBus({ url, prefix: 'wimz', service, version: '0', log, announce: false }))
  const bus = await connect('relay-bridge')
  const camera = stack.use(await openCamera(await connect('vision')))
  const child = fork(`${PROJECT_ROOT}/test/webrtc/service-child.ts`, [url], { execArgv: ['--expose-gc'] })
  stack.defer(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  await once(child, 'message')
  return {
    bus,
    camera,
    /** What the service holds after its garbage is gone. */
    async measure(): Promise<Held> {
      const answer = once(child, 'message')
      child.send('measure')
      const [held] = await answer
      return held as Held
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

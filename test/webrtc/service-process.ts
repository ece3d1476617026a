import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { endProcess } from '#dev/harness/end-process.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { connectUnixBus, openUnixBroker } from '#test/helpers/unix-bus.ts'
import { openCamera } from './camera.ts'
import type { Held } from './service-child.ts'
import type { Told, Wish } from './viewer-child.ts'

/** The environment that main.ts and compose.yaml give the service. */
const AS_STARTED = { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' }

type Spawn = (program: string, args: string[], options: SpawnOptions) => ChildProcess

/** The service in a process of its own, as on a robot; broker and camera are in this one. */
export async function startServiceProcess(config: object = {}, start: Spawn = spawn) {
  const stack = new AsyncDisposableStack()
  const { path } = stack.use(await openUnixBroker())
  const connect = async (service: string) => stack.use(await connectUnixBus(path, service))
  const bus = await connect('relay-bridge')
  const camera = stack.use(await openCamera(await connect('vision')))
  const child = await startChild(stack, start, 'service-child', path, JSON.stringify(config))
  return {
    bus,
    camera,
    /** What the service holds after its garbage is gone. */
    measure: () => ask<Held>(child, 'measure'),
    /** Viewers in one more process. */
    async openViewers(startViewers: Spawn = spawn) {
      const viewers = await startChild(stack, startViewers, 'viewer-child', path)
      return async (wish: Wish): Promise<Required<Pick<Told, 'ms' | 'packets' | 'gap'>>> => {
        const { error, ms = 0, packets = 0, gap = 0 } = await ask<Told>(viewers, wish)
        if (error) throw new Error(error)
        return { ms, packets, gap }
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function startChild(stack: AsyncDisposableStack, start: Spawn, script: string, ...args: string[]) {
  const env = { ...process.env, ...AS_STARTED }
  const options: SpawnOptions = { cwd: PROJECT_ROOT, env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }
  const child = start(process.execPath, ['--expose-gc', `test/webrtc/${script}.ts`, ...args], options)
  stack.defer(() => endProcess(child, 'SIGTERM'))
  await once(child, 'message')
  return child
}

async function ask<T>(child: ChildProcess, what: string | Wish): Promise<T> {
  const answer = once(child, 'message')
  child.send(what)
  const [told] = await answer
  return told as T
}

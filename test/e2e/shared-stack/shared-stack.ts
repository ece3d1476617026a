import { after } from 'node:test'
import { freePorts } from '#dev/harness/ports.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'

interface SharedStack {
  stack: Stack
  metricsPort: number
}

let started: Promise<SharedStack> | undefined

/** One stack for all tests of this folder, which use a running robot and kill none of its services. */
export function sharedStack(): Promise<SharedStack> {
  started ??= start()
  return started
}

async function start(): Promise<SharedStack> {
  const [metricsPort = 0] = await freePorts(1)
  const config = {
    metrics: { port: metricsPort },
    vision: { source: { type: 'synthetic' }, detector: { max_fps: 2 } },
    // the tests ask for more treats than the robot's own limits allow
    cloud: { command_limits: { treats: { per_minute: 6_000, burst: 200 } } },
  }
  const stack = await startStack(config, { within: 90_000 })
  return { stack, metricsPort }
}

after(async () => {
  const shared = await started?.catch(() => undefined)
  await shared?.stack[Symbol.asyncDispose]()
})

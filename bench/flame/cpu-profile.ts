import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

interface CallFrame {
  functionName: string
  url: string
  /** From 0; -1 where there is no source. */
  lineNumber: number
}

/** What the inspector returns: V8's samples of one thread, in microseconds. */
export interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[]
  samples: number[]
  timeDeltas: number[]
}

/**
 * Samples the main thread of a Node process that was started with `--inspect-port` for `ms`. The sampling itself adds some
 * percent to the CPU time of the process.
 */
export async function recordCpuProfile(pid: number, port: number, ms: number): Promise<CpuProfile> {
  process.kill(pid, 'SIGUSR1') // opens the inspector
  const socket = await connect(port)
  let id = 0
  const call = async (method: string, params = {}): Promise<{ profile?: CpuProfile }> => {
    const own = ++id
    socket.send(JSON.stringify({ id: own, method, params }))
    for (;;) {
      const [data] = await once(socket, 'message')
      const answer = JSON.parse(String(data))
      if (answer.id === own) return answer.result
    }
  }
  await call('Profiler.enable')
  await call('Profiler.setSamplingInterval', { interval: 250 })
  await call('Profiler.start')
  await sleep(ms)
  const { profile } = await call('Profiler.stop')
  await call('Profiler.disable')
  socket.close()
  if (!profile) throw new Error('no profile')
  return profile
}

async function connect(port: number): Promise<WebSocket> {
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      const [target] = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()
      const socket = new WebSocket(target.webSocketDebuggerUrl, { maxPayload: 256 * 1024 * 1024 })
      await once(socket, 'open')
      return socket
    } catch {
      await sleep(100)
    }
  }
  throw new Error(`no inspector on port ${port}`)
}

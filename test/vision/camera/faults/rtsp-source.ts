import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePorts } from '#dev/harness/ports.ts'
import { type BreakableSource, OTHER_SIZE, SIZE } from './breakable-source.ts'

const SERVER = fileURLToPath(new URL('rtsp_camera.py', import.meta.url))

/** A network camera over RTSP: GStreamer's server, whose process is killed or stopped; `options` of `rtsp_camera.py`. */
export async function rtspSource(t: TestContext, options: readonly string[] = []): Promise<BreakableSource> {
  const [port = 0] = await freePorts(1)
  let server: ChildProcess | undefined = await start(port, options)
  const remove = async () => {
    const ended = server && once(server, 'exit')
    server?.kill('SIGKILL')
    server = undefined
    await ended
  }
  t.after(remove)
  return {
    source: { type: 'url', url: `rtsp://127.0.0.1:${port}/live`, loop: false },
    remove,
    async restore() {
      server ??= await start(port, options)
      server.kill('SIGCONT')
    },
    die: remove,
    stall: () => void server?.kill('SIGSTOP'),
    resize: () => void server?.stdin?.write(`${OTHER_SIZE.width} ${OTHER_SIZE.height}\n`),
  }
}

async function start(port: number, options: readonly string[]): Promise<ChildProcess> {
  const { width, height } = SIZE
  const args = [SERVER, String(port), String(width), String(height), ...options]
  const server = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  await Promise.race([
    once(server.stdout, 'data'),
    once(server, 'exit').then(() => {
      throw new Error('the RTSP server does not start')
    }),
  ])
  return server
}

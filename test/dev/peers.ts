import { once } from 'node:events'
import { request } from 'node:http'
import type { TestContext } from 'node:test'
import { WebSocket } from 'ws'
import { refuseSecrets } from '#dev/harness/secrets.ts'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { startRelay } from '#dev/relay/index.ts'
import type { RelayTimes } from '#dev/relay/times.ts'
import { createLogger } from '#lib/logger.ts'
import { authHeaders } from '#services/relay-bridge/connection/credentials.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

export type Frame = Record<string, unknown>

/** A socket that keeps what it hears. */
export interface Party {
  socket: WebSocket
  frames: Frame[]
  send(frame: unknown): void
  /** The next frame that satisfies `where` and was not taken yet. */
  next(where: (frame: Frame) => boolean): Promise<Frame>
  /** Resolves with the close code. */
  closed: Promise<number>
}

export const SECRET = 'unit-test-secret'
export const ROBOT = 'wimz_robot_99'

/** A relay on a free port, and how to join it as a robot or an app. */
export async function relayFor(
  t: TestContext,
  section: object = {},
  times: Partial<RelayTimes> = {},
  data_dir = temporaryFolder(t),
) {
  const logged: string[] = []
  const log = createLogger('relay', {
    write(line) {
      refuseSecrets(line)
      logged.push(line)
    },
  })
  const config = {
    local_relay: LocalRelaySection.parse({ port: 0, ...section }),
    cloud: { device_id: ROBOT, device_secret: SECRET },
    data_dir,
  }
  const relay = await startRelay({ config, log, times })
  t.after(() => relay[Symbol.asyncDispose]())
  const address = `127.0.0.1:${relay.port}`
  const open = (path: string, headers: Record<string, string> = {}) =>
    join(t, `ws://${address}${path}`, headers)
  return {
    relay,
    address,
    logged,
    open,
    async robot() {
      const robot = await open('/ws/device', authHeaders({ deviceId: ROBOT, secret: SECRET }, 'id:timestamp'))
      await robot.next(({ type }) => type === 'profiles')
      return robot
    },
    async app(session_id: string, token?: string) {
      const app = await open('/ws/app', token ? { Authorization: `Bearer ${token}` } : {})
      app.send({ type: 'session_hello', session_id })
      await app.next(({ type }) => type === 'robot_status')
      return app
    },
  }
}

/** HTTP status with which an upgrade is refused. */
export async function refusal(
  url: string,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  const socket = new WebSocket(url, { headers })
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  socket.terminate()
  return response.statusCode
}

/** HTTP status of a GET; unlike `fetch` it may send any `Host`. */
export async function statusOf(
  address: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  const asked = request(`http://${address}${path}`, { headers })
  asked.end()
  const [response] = await once(asked, 'response')
  response.resume()
  return response.statusCode
}

async function join(t: TestContext, url: string, headers: Record<string, string>): Promise<Party> {
  const socket = new WebSocket(url, { headers })
  t.after(() => socket.terminate())
  const frames: Frame[] = []
  const taken = new Set<Frame>()
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('message', (data) => {
    frames.push(JSON.parse(data.toString()))
    socket.emit('frame')
  })
  await once(socket, 'open')
  return {
    socket,
    frames,
    closed,
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    async next(where) {
      const signal = AbortSignal.timeout(10_000)
      for (;;) {
        const found = frames.find((frame) => !taken.has(frame) && where(frame))
        if (found) {
          taken.add(found)
          return found
        }
        await once(socket, 'frame', { signal })
      }
    },
  }
}

import { isIP } from 'node:net'
import { createTurnClient, type TurnProtocol } from 'werift'
import type { Gathering } from './gathering.ts'
import type { TurnServer } from './ice-servers.ts'
import { type OnLocalServer, resolveHost } from './resolve-host.ts'

export interface RelayOptions {
  portRange: [number, number] | null
  /** Accept any certificate of a TURN server. */
  tlsInsecure: boolean
  /** Refuses servers on local addresses, and is called for each attempt to use one. */
  onLocalServer?: OnLocalServer | undefined
}

/** Lead of each server over the next one. */
const HEAD_START_MS = 250
/** Time for all attempts together, within the connect timeout of a session. */
const TIMEOUT_MS = 10_000
/** A permission lasts 300 s (RFC 8656 §9), and werift renews it only by rebinding its channel. */
const CHANNEL_REFRESH_S = 240

/**
 * An allocation on the first of `servers` that grants one. Each has a lead on the next, which starts at once when the
 * first fails; the losers are closed. Undefined when none grants one within 10 s.
 */
export async function allocateRelay(
  servers: readonly TurnServer[],
  options: RelayOptions,
  gathering: Gathering,
): Promise<TurnProtocol | undefined> {
  const race = Promise.withResolvers<TurnProtocol | undefined>()
  const branches = new Map<TurnServer, Gathering>()
  let winner: TurnServer | undefined
  let over = false
  const attempt = async (server: TurnServer) => {
    const branch = gathering.branch()
    branches.set(server, branch)
    try {
      const turn = await branch.run(() => allocate(server, options))
      if (over) return
      over = true
      winner = server
      race.resolve(turn)
    } catch {
      await branch.close() // refused or unreachable
    }
  }
  const timeout = setTimeout(race.resolve, TIMEOUT_MS)
  void tryInOrder(servers, attempt, () => over).then(() => race.resolve(undefined))
  const turn = await race.promise
  over = true
  clearTimeout(timeout)
  for (const [server, branch] of branches) if (server !== winner) void branch.close()
  return turn
}

/** Resolves when every attempt has ended, or one has succeeded. */
async function tryInOrder(
  servers: readonly TurnServer[],
  attempt: (server: TurnServer) => Promise<void>,
  over: () => boolean,
): Promise<void> {
  const attempts: Promise<void>[] = []
  for (const server of servers) {
    if (over()) return
    const ended = attempt(server)
    attempts.push(ended)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, HEAD_START_MS)
    await Promise.race([ended, promise])
    clearTimeout(timer)
  }
  await Promise.all(attempts)
}

async function allocate(server: TurnServer, options: RelayOptions): Promise<TurnProtocol> {
  const { host, port, transport, username, credential } = server
  const address = await resolveHost(host, options.onLocalServer)
  const turn = await createTurnClient(
    { address: [address, port], username, password: credential },
    {
      transport,
      connectTimeoutMs: TIMEOUT_MS,
      ...(options.portRange ? { portRange: options.portRange } : {}),
      tlsOptions: {
        rejectUnauthorized: !options.tlsInsecure,
        // RFC 6066 §3: a name, not an address
        ...(isIP(host) ? {} : { servername: host }),
      },
    },
  )
  Object.assign(turn, { channelRefreshTime: CHANNEL_REFRESH_S }) // private
  return turn
}

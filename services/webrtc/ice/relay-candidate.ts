import { isIP } from 'node:net'
import { createTurnClient, type TurnProtocol } from 'werift'
import type { Gathering } from './gathering.ts'
import type { TurnServer } from './ice-servers.ts'
import { resolveHost } from './resolve-host.ts'

export interface RelayOptions {
  portRange: [number, number] | null
  /** Accept any certificate of a TURN server. */
  tlsInsecure: boolean
}

/** The next server is tried when the ones before have not answered for so long: milliseconds. */
const HEAD_START = 250
/** All tries together may take so long: milliseconds, within the time that a session has to connect. */
const BUDGET = 10_000
/** Seconds. A permission lives for 300 s (RFC 8656 §9), and binding its channel again is all that renews it here. */
const CHANNEL_REFRESH = 240

/**
 * An allocation on the first of `servers` that grants one: each gets a head start on the next, or less when it fails at
 * once, and whoever is late is let go of. Undefined when none does within 10 s.
 */
export async function allocateRelay(
  servers: readonly TurnServer[],
  options: RelayOptions,
  gathering: Gathering,
): Promise<TurnProtocol | undefined> {
  const race = Promise.withResolvers<TurnProtocol | undefined>()
  const branches = new Map<TurnServer, Gathering>()
  let won: TurnServer | undefined
  let over = false
  const attempt = async (server: TurnServer) => {
    const branch = gathering.branch()
    branches.set(server, branch)
    try {
      const turn = await branch.run(() => allocate(server, options))
      if (over) return
      over = true
      won = server
      race.resolve(turn)
    } catch {
      await branch.close() // refused or out of reach: the next one may do better
    }
  }
  const budget = setTimeout(race.resolve, BUDGET)
  void tryInOrder(servers, attempt, () => over).then(() => race.resolve(undefined))
  const turn = await race.promise
  over = true
  clearTimeout(budget)
  for (const [server, branch] of branches) if (server !== won) void branch.close()
  return turn
}

/** Resolves when every attempt has ended, or it is over. */
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
    const timer = setTimeout(resolve, HEAD_START)
    await Promise.race([ended, promise])
    clearTimeout(timer)
  }
  await Promise.all(attempts)
}

async function allocate(server: TurnServer, options: RelayOptions): Promise<TurnProtocol> {
  const { host, port, transport, username, credential } = server
  const address = await resolveHost(host)
  const turn = await createTurnClient(
    { address: [address, port], username, password: credential },
    {
      transport,
      connectTimeoutMs: BUDGET,
      ...(options.portRange ? { portRange: options.portRange } : {}),
      tlsOptions: {
        rejectUnauthorized: !options.tlsInsecure,
        // RFC 6066 §3: a name, never an address
        ...(isIP(host) ? {} : { servername: host }),
      },
    },
  )
  Object.assign(turn, { channelRefreshTime: CHANNEL_REFRESH }) // private
  return turn
}

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { PROJECT_ROOT } from '#lib/version.ts'

/** Where `npm run bench:build` puts it. */
export const RECEIVER =
  process.env.WIMZ_BENCH_RECEIVER ?? join(PROJECT_ROOT, 'bench/viewers/receiver/receiver')

/** What one viewer received since the previous request; times in ms. */
export interface Received {
  id: string
  state: string
  frames: number
  packets: number
  bytes: number
  audio: number
  lost: number
  /** From the offer to the first whole frame; 0: none yet. */
  first: number
  gaps: number[] | null
  jitter: number[] | null
}

interface Line {
  id?: string
  sdp?: string
  offer?: boolean
  error?: string
  stats?: string
  all?: Received[]
}

/** The program of `bench/viewers/receiver/`, which `npm run bench:build` builds. */
export interface GoTool extends Disposable {
  pid: number
  /** Input of the access units of `fanout`, each behind its length in four bytes. */
  video: Writable
  /** Sends a session description, or a wish for one, and resolves with the description that comes back. */
  describe(id: string, sdp?: string): Promise<string>
  /** Asks a receiver for an offer, for servers that answer. */
  offer(id: string): Promise<string>
  /** The same without an answer. */
  send(id: string, sdp?: string): void
  received(): Promise<Received[]>
}

export function startGoTool(mode: 'receive' | 'fanout'): GoTool {
  if (!existsSync(RECEIVER)) throw new Error('no receiver: run npm run bench:build first (needs Go)')
  const child: ChildProcess = spawn(RECEIVER, [mode], { stdio: ['pipe', 'pipe', 'inherit', 'pipe'] })
  const { stdin, stdout, pid } = child
  if (!stdin || !stdout || pid === undefined) throw new Error(`cannot start ${RECEIVER}`)
  const waiting = new Map<string, PromiseWithResolvers<Line>>()
  createInterface(stdout).on('line', (text) => {
    const line: Line = JSON.parse(text)
    const promise = waiting.get(line.stats ?? line.id ?? '')
    if (line.error) promise?.reject(new Error(line.error))
    else promise?.resolve(line)
  })
  const ask = (key: string, line: Line) => {
    const promise = Promise.withResolvers<Line>()
    waiting.set(key, promise)
    stdin.write(`${JSON.stringify(line)}\n`)
    return promise.promise
  }
  return {
    pid,
    video: child.stdio[3] as Writable,
    describe: async (id, sdp) => (await ask(id, { id, ...(sdp ? { sdp } : {}) })).sdp ?? '',
    offer: async (id) => (await ask(id, { id, offer: true })).sdp ?? '',
    send: (id, sdp) => void stdin.write(`${JSON.stringify({ id, sdp })}\n`),
    received: async () => (await ask('stats', { stats: 'stats' })).all ?? [],
    [Symbol.dispose]: () => void child.kill(),
  }
}

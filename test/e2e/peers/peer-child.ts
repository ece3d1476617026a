import { createInterface } from 'node:readline'

/** What a peer in its own process reports, one JSON object a line on stdout. */
export interface Reported {
  sdp?: { type: 'answer'; sdp: string }
  candidate?: { candidate?: string; sdpMid?: string | null; sdpMLineIndex?: number | null }
  state?: string
  message?: string
  /** A decoded frame: its number and size, and the standard deviation of its luma. */
  frame?: number
  width?: number
  height?: number
  spread?: number
}

/** What the test sends it. */
export interface Told {
  sdp?: { type: 'offer'; sdp: string }
  candidate?: { candidate: string; sdpMid: string; sdpMLineIndex: number }
  /** Port on loopback for the RTP packets of this payload type, for peers without a decoder. */
  forward?: { port: number; payloadType: number }
  /** Send a keyframe request. */
  keyframe?: true
  close?: true
}

interface PeerHandlers {
  offer(sdp: string): void | Promise<void>
  candidate(candidate: NonNullable<Told['candidate']>): void | Promise<void>
  forward?(to: NonNullable<Told['forward']>): void
  keyframe?(): void
  close(): void
}

export function report(what: Reported): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

/** Handles what the test sends, in order; candidates that precede the offer wait for it. Exits after `close`. */
export async function serve(handlers: PeerHandlers): Promise<void> {
  const early: NonNullable<Told['candidate']>[] = []
  let offered = false
  const offer = async (sdp: string) => {
    await handlers.offer(sdp)
    offered = true
    for (const candidate of early.splice(0)) await handlers.candidate(candidate)
  }
  const add = async (candidate: NonNullable<Told['candidate']>) => {
    if (offered) await handlers.candidate(candidate)
    else early.push(candidate)
  }
  report({ state: 'ready' })
  for await (const line of createInterface(process.stdin)) {
    const told = JSON.parse(line) as Told
    if (told.forward) handlers.forward?.(told.forward)
    if (told.keyframe) handlers.keyframe?.()
    if (told.sdp) await offer(told.sdp.sdp)
    if (told.candidate) await add(told.candidate)
    if (told.close) break
  }
  handlers.close()
  process.exit(0)
}

/** Standard deviation of the luma: above 10 it is a picture of something and not a gray plane. */
export function spread(luma: Uint8Array): number {
  let sum = 0
  let squares = 0
  for (const value of luma) {
    sum += value
    squares += value * value
  }
  const mean = sum / luma.length
  return Math.sqrt(squares / luma.length - mean * mean)
}

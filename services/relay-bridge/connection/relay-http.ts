import { relayHttp } from '#lib/http/relay-address.ts'

/** More than a list of robots or a time needs; a relay could answer without end, or with a compressed bomb. */
const MAX_ANSWER_BYTES = 1024 * 1024

/**
 * The JSON answer of the relay to a GET with these headers, which authenticate the robot, or undefined for a status other than 2xx. Rejects when it is late (ms), no JSON, a
 * redirect, or larger than {@link MAX_ANSWER_BYTES} after decompression.
 */
export async function getRelayJson(
  relay: URL,
  path: string,
  { timeout, headers = {} }: { timeout: number; headers?: Record<string, string> },
): Promise<unknown> {
  const signal = AbortSignal.timeout(timeout)
  const response = await fetch(relayHttp(relay, path), { signal, headers, redirect: 'error' })
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // leaving the loop cancels the body
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`answer larger than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return response.ok ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined
}

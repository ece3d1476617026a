import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { socketAddress } from '#lib/http/unix-socket.ts'

export interface Received {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
  json(): { [field: string]: unknown; items?: Record<string, unknown>[] }
}

interface Options {
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** One request to the socket of a recorder, or to an address. */
export async function ask(
  target: { socket: string } | { port: number },
  path: string,
  options: Options = {},
): Promise<Received> {
  using address = 'socket' in target ? socketAddress(target.socket) : undefined
  const { method = 'GET', headers = {}, body } = options
  const where = address
    ? { socketPath: address.path }
    : { port: (target as { port: number }).port, host: '127.0.0.1' }
  const request = httpRequest({ ...where, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  return {
    ...{ status: response.statusCode ?? 0, headers: response.headers, body: bytes },
    json: () => JSON.parse(bytes.toString()),
  }
}

import type { ServerResponse } from 'node:http'
import { STATUS_CODES } from '#lib/http/node-http.ts'

/** A request that is refused: the text says what is wrong and what to do. RFC 9457. */
export class Problem extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.status = status
    this.headers = headers
  }
}

/** RFC 9725 §4.1: the body has the details of a failed request. */
export function sendProblem(response: ServerResponse, { status, message, headers }: Problem): void {
  const problem = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message }
  const body = `${JSON.stringify(problem)}\n`
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Answer } from '../answer.ts'
import type { Access } from './access.ts'

const FOLDER = new URL('../page/login/', import.meta.url)
const TEMPLATE = readFileSync(new URL('login.html', FOLDER), 'utf8')
const MAX_FORM_BYTES = 4_096

/** The script of the login page. */
export const LOGIN_SCRIPT = new URL('login.js', FOLDER)

const PROBLEM = '<p id="problem" class="problem" role="alert">'

/**
 * The login form, with what went wrong; 403 like every page that is rejected. Unlike the other pages it may send its own
 * address: a browser that may not sends `Origin: null` with the form.
 */
export function loginPage(problem = '', { status = 403, headers = {} } = {}): Answer {
  return {
    status,
    type: 'text/html; charset=utf-8',
    headers: { 'Referrer-Policy': 'same-origin', ...headers },
    body: TEMPLATE.replace(PROBLEM, `${PROBLEM}${problem}`),
  }
}

/** Answers `POST /login`: with the cookie and the way to the page, or with the form again. */
export async function logIn(request: IncomingMessage, access: Access): Promise<Answer> {
  const form = await readForm(request)
  if (!form) return loginPage('The form is too large.', { status: 413, headers: { Connection: 'close' } })
  const login = access.login(request, form.get('token') ?? '')
  if (login.role) return redirect('/', { 'Set-Cookie': login.cookie })
  const seconds = Math.ceil(login.retryAfterMs / 1_000)
  if (login.problem === 'wrong token') return loginPage('This is not the token of this robot.')
  return loginPage(`Too many attempts. Try again in ${seconds} s.`, {
    status: 429,
    headers: { 'Retry-After': String(seconds) },
  })
}

/** Sends a browser to another address; it asks for that with GET. */
export function redirect(location: string, headers: Record<string, string> = {}): Answer {
  return {
    status: 303,
    type: 'text/plain',
    body: `${location}\n`,
    headers: { Location: location, ...headers },
  }
}

/** The fields of a form; undefined for one that is too large. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_FORM_BYTES) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { endProcess } from '#dev/harness/end-process.ts'

/** Debian's Firefox with one page, driven over WebDriver BiDi. */
export interface Firefox extends AsyncDisposable {
  open(url: string): Promise<void>
  /** The JSON value of an expression, or of the promise that it is, in the page. */
  evaluate(expression: string): Promise<unknown>
}

const START_WITHIN = 30_000
const PREFERENCES = {
  'media.autoplay.default': 0,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // no H.264 decoder is fetched from the network: VP8 is what it has by itself
  'media.gmp-manager.url': '',
  'media.gmp-gmpopenh264.enabled': false,
  'network.captive-portal-service.enabled': false,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
}

export async function launchFirefox(): Promise<Firefox> {
  await using stack = new AsyncDisposableStack()
  const profile = mkdtempSync(join(tmpdir(), 'wimz-firefox-'))
  stack.defer(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }))
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  )
  writeFileSync(join(profile, 'user.js'), lines.join('\n'))
  const args = [
    '--headless',
    '--no-remote',
    '--profile',
    profile,
    '--remote-debugging-port',
    '0',
    'about:blank',
  ]
  const env = { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' }
  const child = spawn('firefox-esr', args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  stack.defer(() => endProcess(child))
  const socket = new WebSocket(`${await listening(child)}/session`)
  stack.defer(() => socket.terminate())
  await once(socket, 'open')
  const send = createSender(socket)
  await send('session.new', { capabilities: {} })
  const tree = (await send('browsingContext.getTree', {})) as { contexts: { context: string }[] }
  const context = tree.contexts[0]?.context
  const owned = stack.move()
  return {
    async open(url) {
      await send('browsingContext.navigate', { context, url, wait: 'complete' })
    },
    async evaluate(expression) {
      const answer = (await send('script.evaluate', {
        expression: `Promise.resolve(${expression}).then((value) => JSON.stringify(value ?? null))`,
        target: { context },
        awaitPromise: true,
      })) as { type: string; result?: { value: string }; exceptionDetails?: { text: string } }
      if (!answer.result) throw new Error(answer.exceptionDetails?.text ?? 'no answer')
      return JSON.parse(answer.result.value)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Where it listens, as it says on stderr. */
async function listening(child: ChildProcess): Promise<string> {
  if (!child.stderr) throw new Error('no stderr')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => reject(new Error('Firefox did not start')), START_WITHIN)
  child.once('error', reject)
  createInterface(child.stderr).on('line', (line) => {
    const [, url] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? []
    if (url) resolve(url)
  })
  return await promise.finally(() => clearTimeout(timer))
}

/** Commands of WebDriver BiDi, each answered by its id. */
function createSender(socket: WebSocket) {
  const pending = new Map<number, PromiseWithResolvers<unknown>>()
  socket.on('message', (data) => {
    const { id, result, message } = JSON.parse(String(data))
    if (message === undefined) pending.get(id)?.resolve(result)
    else pending.get(id)?.reject(new Error(message))
    pending.delete(id)
  })
  let last = 0
  return (method: string, params: object): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>()
    pending.set(++last, answer)
    socket.send(JSON.stringify({ id: last, method, params }))
    return answer.promise
  }
}

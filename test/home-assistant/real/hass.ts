import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcess } from '#dev/harness/end-process.ts'
import { freePorts } from '#dev/harness/ports.ts'
import type { Installation } from './install.ts'

/** A state of Home Assistant's REST API. */
export interface State {
  entity_id: string
  state: string
  attributes: Record<string, unknown>
}

/** Only what the tests look at; discovery of other devices and everything that needs the internet is left out. */
const CONFIGURATION = (port: number) => `
homeassistant: { name: Home, latitude: 0, longitude: 0, elevation: 0, unit_system: metric, time_zone: UTC, country: DE }
http: { server_host: 127.0.0.1, server_port: ${port} }
api:
stream:
frontend:
config:
logger: { default: warning, logs: { homeassistant.components.mqtt: info, homeassistant.components.automation: info } }
automation: !include automations.yaml
`

/** A real Home Assistant of its own, with an owner who has logged in. */
export class Hass implements AsyncDisposable {
  readonly #installation: Installation
  readonly folder: string
  readonly url: string
  #process: ChildProcess | undefined
  #token = ''
  /** Everything that it printed. */
  output = ''

  private constructor(installation: Installation, folder: string, url: string) {
    this.#installation = installation
    this.folder = folder
    this.url = url
  }

  static async start(installation: Installation, automations = '[]'): Promise<Hass> {
    const [port = 0] = await freePorts(1)
    const temporary = join(installation.root, 'tmp')
    mkdirSync(temporary, { recursive: true })
    const folder = mkdtempSync(join(temporary, 'wimz-hass-'))
    writeFileSync(join(folder, 'configuration.yaml'), CONFIGURATION(port))
    writeFileSync(join(folder, 'automations.yaml'), automations)
    const hass = new Hass(installation, folder, `http://127.0.0.1:${port}`)
    try {
      await hass.run()
      await hass.#onboard()
    } catch (err) {
      await hass[Symbol.asyncDispose]()
      throw new Error(`Home Assistant ${installation.version} did not start:\n${hass.output.slice(-4_000)}`, {
        cause: err,
      })
    }
    return hass
  }

  get version(): string {
    return this.#installation.version
  }

  /** The token of the owner. */
  get token(): string {
    return this.#token
  }

  /** Its path as Home Assistant sees it. */
  inside(path: string): string {
    const { root } = this.#installation
    return root === '/' ? path : path.slice(root.length)
  }

  /** Starts the process, and waits until it serves. */
  async run(): Promise<void> {
    const [program, ...args] = this.#installation.command
    const child = spawn(program, [...args, '-c', this.inside(this.folder), '--skip-pip'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: this.inside(this.folder), PYTHONWARNINGS: 'ignore' },
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        this.output = `${this.output}${text}`.slice(-1_000_000)
      })
    }
    this.#process = child
    await this.until('the API answers', async () => {
      if (child.exitCode !== null) throw new Error('it has exited')
      const response = await fetch(`${this.url}/api/onboarding`).catch(() => undefined)
      return response?.ok
    })
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#process) await endProcess(this.#process)
  }

  async get<T = unknown>(path: string): Promise<T> {
    return (await (await this.request(path)).json()) as T
  }

  async post<T = unknown>(path: string, body: object): Promise<T> {
    return (await (await this.request(path, body)).json()) as T
  }

  async request(path: string, body?: object): Promise<Response> {
    const response = await fetch(`${this.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 500)}`)
    return response
  }

  /** One command of the WebSocket API. */
  async ask<T = unknown>(type: string, more: object = {}): Promise<T> {
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/api/websocket`)
    const answer = Promise.withResolvers<T>()
    const timer = setTimeout(() => answer.reject(new Error(`${type}: no answer`)), 30_000)
    socket.addEventListener('error', () => answer.reject(new Error(`${type}: no connection`)))
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data))
      if (message.type === 'auth_required')
        socket.send(JSON.stringify({ type: 'auth', access_token: this.#token }))
      else if (message.type === 'auth_ok') socket.send(JSON.stringify({ id: 1, type, ...more }))
      else if (message.type !== 'result') answer.reject(new Error(JSON.stringify(message)))
      else if (message.success) answer.resolve(message.result)
      else answer.reject(new Error(JSON.stringify(message.error)))
    })
    return await answer.promise.finally(() => {
      clearTimeout(timer)
      socket.close()
    })
  }

  async call(domain: string, service: string, data: object): Promise<void> {
    await this.post(`/api/services/${domain}/${service}`, data)
  }

  async state(entityId: string): Promise<State | undefined> {
    return (await this.get<State[]>('/api/states')).find(({ entity_id }) => entity_id === entityId)
  }

  /** Waits until the entity has this state. */
  async showing(entityId: string, where: (state: State) => boolean): Promise<State> {
    let last: State | undefined
    return await this.until(
      () => `${entityId}, which is ${JSON.stringify(last)}`,
      async () => {
        last = await this.state(entityId)
        return last && where(last) ? last : undefined
      },
    )
  }

  async until<T>(what: string | (() => string), done: () => Promise<T | undefined | false>): Promise<T> {
    for (const end = performance.now() + 120_000; ; await sleep(200)) {
      const result = await done()
      if (result !== undefined && result !== false) return result
      if (performance.now() > end)
        throw new Error(`not so within 120 s: ${typeof what === 'string' ? what : what()}`)
    }
  }

  /** Adds the MQTT integration by its config flow, and waits until it is loaded. */
  async addMqtt({ port, username, password, protocol }: MqttLogin): Promise<void> {
    const flow = await this.post<Flow>('/api/config/config_entries/flow', {
      handler: 'mqtt',
      show_advanced_options: true,
    })
    const basic = { broker: '127.0.0.1', port, ...(username && { username }), ...(password && { password }) }
    const path = `/api/config/config_entries/flow/${flow.flow_id}`
    // where it exists, the tick shows the form again with the protocol
    let step = flow
    if (names(step).includes('advanced_options'))
      step = await this.post<Flow>(path, { ...basic, advanced_options: true })
    const withoutTls = { set_ca_cert: 'off', set_client_cert: false }
    const more = fill(step, { ...basic, protocol, advanced_options: true, ...withoutTls })
    const result = await this.post<Flow>(path, more)
    if (result.type !== 'create_entry') throw new Error(`the flow ends with ${JSON.stringify(result)}`)
    await this.until('MQTT is loaded', async () => {
      const entries = await this.get<{ domain: string; state: string }[]>('/api/config/config_entries/entry')
      return entries.some(({ domain, state }) => domain === 'mqtt' && state === 'loaded')
    })
  }

  /** Adds a Generic Camera with this stream by its config flow; resolves to its entity id. */
  async addGenericCamera(stream_source: string): Promise<string> {
    const flow = await this.post<Flow>('/api/config/config_entries/flow', { handler: 'generic' })
    const path = `/api/config/config_entries/flow/${flow.flow_id}`
    const values = { stream_source, framerate: 2, verify_ssl: true, rtsp_transport: 'tcp' }
    const confirm = await this.post<Flow>(path, fill(flow, values))
    const result = await this.post<Flow>(path, fill(confirm, { confirmed_ok: true }))
    if (result.type !== 'create_entry') throw new Error(`the flow ends with ${JSON.stringify(result)}`)
    return await this.until('the camera', async () => {
      const entities = await this.ask<{ entity_id: string; platform: string }[]>(
        'config/entity_registry/list',
      )
      return entities.find(({ platform }) => platform === 'generic')?.entity_id
    })
  }

  async text(path: string): Promise<string> {
    return await (await this.request(path)).text()
  }

  /** Warnings and errors of its log that name MQTT or one of our entities. */
  complaints(): string[] {
    return this.output.split('\n').filter((line) => /(WARNING|ERROR)/.test(line) && /mqtt|wimz/i.test(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #onboard(): Promise<void> {
    const client_id = `${this.url}/`
    const owner = { client_id, name: 'Owner', username: 'owner', password: 'a password', language: 'en' }
    const { auth_code } = await this.post<{ auth_code: string }>('/api/onboarding/users', owner)
    const body = new URLSearchParams({ grant_type: 'authorization_code', code: auth_code, client_id })
    const response = await fetch(`${this.url}/auth/token`, { method: 'POST', body })
    const { access_token } = (await response.json()) as { access_token: string }
    this.#token = access_token
  }
}

interface MqttLogin {
  port: number
  username?: string
  password?: string
  protocol: '3.1.1' | '5'
}

interface Flow {
  flow_id: string
  type: string
  data_schema?: { name: string; schema?: { name: string }[] }[]
}

function names(step: Flow): string[] {
  return (step.data_schema ?? []).map(({ name }) => name)
}

/** The values that this form has; some of its fields may be in sections. */
function fill(step: Flow, values: Record<string, unknown>): object {
  return Object.fromEntries(
    (step.data_schema ?? []).flatMap(({ name, schema }): [string, unknown][] => {
      if (schema) return [[name, fill({ ...step, data_schema: schema }, values)]]
      return name in values ? [[name, values[name]]] : []
    }),
  )
}

/** The automations of docs/home-assistant.md. */
export function documentedAutomations(): string {
  const text = readFileSync('docs/home-assistant.md', 'utf8')
  const [, block = ''] = /```yaml\n(- alias:[\s\S]*?)```/.exec(text) ?? []
  return block
}

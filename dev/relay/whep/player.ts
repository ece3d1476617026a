import { randomUUID } from 'node:crypto'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { Role } from '../access/role.ts'
import { type Frame, isObject, text } from '../frame.ts'
import type { AppConnection, Hub } from '../hub.ts'
import { type IceFragment, parseIceFragment } from './ice-fragment.ts'
import { Problem } from './problem.ts'

/** Seconds after which a player may try again. */
const RETRY = { 'Retry-After': '5' }
/** PATCH requests of one player: at once, and a second. */
const PATCH_BURST = 20
const PATCH_RATE = 2

/** HTTP status of what the robot refuses. */
const STATUS: Readonly<Record<string, number>> = {
  'bad-offer': 400,
  'no-common-codec': 422,
  'no-session': 404,
}

interface Pending {
  resolve(sdp: string): void
  reject(problem: Problem): void
}

/** The session of one WHEP player: it offers, and the robot answers. For the hub it is one more app. */
export class Player implements AppConnection {
  readonly deviceId: string
  readonly role: Role
  /** Not to be guessed: part of the session's URL. RFC 9725 §5. */
  readonly sessionId = `whep-${randomUUID()}`
  readonly #hub: Hub
  readonly #patches = new TokenBucket(PATCH_BURST, PATCH_RATE)
  /** Of the player. */
  #credentials: IceFragment['credentials']
  #etag = newTag()
  /** An offer or an ICE restart that the robot has not answered. */
  #pending: Pending | undefined
  #isEnded = false

  constructor({ deviceId, role }: Pick<AppConnection, 'deviceId' | 'role'>, hub: Hub) {
    this.deviceId = deviceId
    this.role = role
    this.#hub = hub
    hub.players.set(this.sessionId, this)
  }

  /** Identifies the ICE session. RFC 9725 §4.3.1. */
  get etag(): string {
    return this.#etag
  }

  /** The robot's answer. Throws a Problem; the session has ended then. */
  async offer(sdp: string): Promise<string> {
    this.#credentials = parseIceFragment(sdp)?.credentials
    this.#hub.routes.set(this.sessionId, this)
    const { iceServers } = this.#hub.options
    try {
      const offer = { type: 'offer', sdp }
      const watching = this.role === 'watch' ? { role: this.role } : {}
      return await this.#request({ type: 'webrtc_request', ice_servers: iceServers, offer, ...watching })
    } catch (err) {
      this.end('offer not answered')
      throw err
    }
  }

  /** PATCH: further candidates, or an ICE restart, whose fragment it returns. Throws a Problem. RFC 9725 §4.3. */
  async patch(body: string, ifMatch: string | undefined): Promise<string | undefined> {
    if (!this.#patches.take()) throw new Problem(429, 'too many requests: send candidates together', RETRY)
    const fragment = parseIceFragment(body)
    if (!fragment) throw new Problem(400, 'the body is no fragment of RFC 8840 with ICE attributes')
    if (ifMatch === undefined)
      throw new Problem(428, 'If-Match is missing: send the ETag of the session, or * to restart ICE')
    const isRestart = fragment.credentials !== undefined && !isSame(fragment.credentials, this.#credentials)
    const tags = ifMatch.split(',').map((tag) => tag.trim())
    if (!tags.includes('*') && !tags.includes(this.#etag))
      throw new Problem(412, 'If-Match names another ICE session: it was restarted since')
    if (isRestart) return await this.#restart(body, fragment.credentials)
    for (const candidate of fragment.candidates) this.#sendToRobot({ type: 'webrtc_ice', candidate })
    return undefined
  }

  /** A frame of the robot. */
  send(frame: Frame): void {
    const { type, sdp } = frame
    if (type === 'webrtc_answer' && isObject(sdp) && typeof sdp.sdp === 'string')
      this.#pending?.resolve(sdp.sdp)
    if (type === 'webrtc_offer')
      this.#fail(502, 'the robot cannot answer an offer: its software is too old for WHEP')
    if (type === 'webrtc_error')
      this.#refused(text(frame, 'code') ?? '', text(frame, 'error') ?? 'unknown error')
    if (type === 'webrtc_close') {
      this.#fail(503, `the robot has ended the session: ${text(frame, 'reason') ?? 'no reason given'}`)
      this.#forget()
    }
  }

  /** Ends the session and notifies the robot. */
  end(reason: string): void {
    if (this.#isEnded) return
    this.#forget()
    this.#hub.endSession(this.sessionId, this.deviceId, reason)
  }

  robotDisconnected(): void {
    this.#fail(503, 'the robot has disconnected from the relay')
    this.#forget()
  }

  /** Apps supersede each other only. */
  supersede(): void {}

  async #restart(body: string, credentials: IceFragment['credentials']): Promise<string> {
    if (this.#pending) throw new Problem(409, 'another ICE restart is not answered yet', RETRY)
    const fragment = await this.#request({ type: 'webrtc_offer', sdp: { type: 'offer', sdp: body } })
    this.#credentials = credentials
    this.#etag = newTag()
    return fragment
  }

  async #request(frame: Frame): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.#pending = { resolve, reject }
    const timer = setTimeout(
      () => this.#fail(504, 'the robot does not answer; its software may be too old for WHEP'),
      this.#hub.options.times.playerAnswer,
    )
    try {
      this.#sendToRobot(frame)
      return await promise
    } finally {
      clearTimeout(timer)
      this.#pending = undefined
    }
  }

  #sendToRobot(frame: Frame): void {
    const robot = this.#hub.robots.get(this.deviceId)
    if (!robot) throw new Problem(503, 'the robot is not connected to the relay', RETRY)
    robot.send({ ...frame, session_id: this.sessionId })
  }

  #refused(code: string, error: string): void {
    this.#fail(STATUS[code] ?? 503, error)
    if (code === 'no-session') this.#forget()
  }

  #fail(status: number, message: string): void {
    this.#pending?.reject(new Problem(status, message, status === 503 ? RETRY : {}))
  }

  #forget(): void {
    this.#isEnded = true
    this.#fail(503, 'the session has ended')
    this.#hub.players.delete(this.sessionId)
    if (this.#hub.routes.get(this.sessionId) === this) this.#hub.routes.delete(this.sessionId)
  }
}

/** A strong entity tag. RFC 9110 §8.8.3. */
function newTag(): string {
  return `"${randomUUID()}"`
}

function isSame(a: IceFragment['credentials'], b: IceFragment['credentials']): boolean {
  return a?.ufrag === b?.ufrag && a?.password === b?.password
}

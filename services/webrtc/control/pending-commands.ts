import type { z } from 'zod'
import type { CommandResult } from '#bus/messages.ts'
import type { Channel } from '../peer/channel.ts'

/** Commands that wait for their result, over all viewers; the oldest is forgotten. */
const MAX_WAITING = 256

/** The slowest command, a treat that jams and is freed, has 35 s (FIELD_FAILURES B21), ms. */
const TIMEOUT = 40_000

interface Asked {
  channel: Channel
  name: string
  /** The app's own id of the command. */
  id: string | number | undefined
}

/** Who is to be told what became of a command. */
export class AwaitedResults implements Disposable {
  readonly #asked = new Map<string, Asked & { timer: NodeJS.Timeout }>()

  add(commandId: string, asked: Asked): void {
    const [oldest] = this.#asked.keys()
    if (this.#asked.size >= MAX_WAITING && oldest !== undefined) this.#take(oldest)
    const error = 'nothing on the robot answered this command'
    const timer = setTimeout(
      () => this.tell({ id: commandId, name: asked.name, success: false, error }),
      TIMEOUT,
    )
    this.#asked.set(commandId, { ...asked, timer })
  }

  /** Tells the viewer who asked, if it was one. */
  tell({ id, name, ...result }: z.infer<typeof CommandResult>): void {
    const asked = this.#take(id)
    if (!asked) return
    const echo = asked.id === undefined ? {} : { id: asked.id }
    asked.channel.send(JSON.stringify({ ...result, ...echo, type: 'command_ack', command: name }))
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#asked.keys()]) this.#take(id)
  }

  #take(id: string): Asked | undefined {
    const asked = this.#asked.get(id)
    clearTimeout(asked?.timer)
    this.#asked.delete(id)
    return asked
  }
}

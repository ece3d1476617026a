import type { z } from 'zod'
import type { CommandResult } from '#bus/messages.ts'
import type { Channel } from './channel.ts'

/** Commands that wait for their result, over all viewers; the oldest is forgotten. */
const MAX_WAITING = 256

interface Asked {
  channel: Channel
  /** The app's own id of the command. */
  id: string | number | undefined
}

/** Who is to be told what became of a command. */
export class AwaitedResults {
  readonly #asked = new Map<string, Asked>()

  add(commandId: string, asked: Asked): void {
    const [oldest] = this.#asked.keys()
    if (this.#asked.size >= MAX_WAITING && oldest !== undefined) this.#asked.delete(oldest)
    this.#asked.set(commandId, asked)
  }

  /** Tells the viewer who asked, if it was one. */
  tell({ id, name, ...result }: z.infer<typeof CommandResult>): void {
    const asked = this.#asked.get(id)
    if (!asked) return
    this.#asked.delete(id)
    const echo = asked.id === undefined ? {} : { id: asked.id }
    asked.channel.send(JSON.stringify({ ...result, ...echo, type: 'command_ack', command: name }))
  }
}

import { connectUnixBus } from '#test/helpers/unix-bus.ts'
import { openViewer } from './viewer.ts'

/** What the parent may want: `watch` a session of this id, or `go on` until ten more packets have come. */
export interface Wish {
  watch?: string
  iceServers?: object[]
  more?: number
  within?: number
}

/** What is said when it is so, or an error. */
export interface Told {
  ms?: number
  packets?: number
  /** Longest interval between two video packets since the last wish, ms. */
  gap?: number
  error?: string
}

/** Viewers in a process of their own, which may live in another network than the robot. */
async function view(path: string): Promise<void> {
  const bus = await connectUnixBus(path, 'viewer')
  let viewer: Awaited<ReturnType<typeof openViewer>> | undefined
  let forgotten = 0
  const grant = async ({ watch, iceServers = [], more = 1, within = 20_000 }: Wish): Promise<Told> => {
    const begun = performance.now()
    if (watch) {
      await viewer?.close()
      viewer = await openViewer({ after: () => undefined }, bus, watch, { iceServers })
    }
    const before = viewer?.video.length ?? 0
    await viewer?.until(({ video }) => video.length >= before + more, within)
    const told = {
      ms: performance.now() - begun,
      packets: forgotten + (viewer?.video.length ?? 0),
      gap: viewer?.longestGap() ?? 0,
    }
    // a long watch would fill the memory
    if ((viewer?.video.length ?? 0) > 1_000) forgotten += viewer?.video.splice(0).length ?? 0
    if (viewer) viewer.audio.length = 0
    return told
  }
  process.on('message', (wish: Wish) => {
    grant(wish).then(
      (told) => process.send?.(told),
      (err: Error) => process.send?.({ error: err.message }),
    )
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}

const [, , path] = process.argv
if (path) await view(path)

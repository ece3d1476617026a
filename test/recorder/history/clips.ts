import { EventEmitter } from 'node:events'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { Clip, ClipStore, ClipStoreEvents } from '#services/recorder/clip.ts'

export const START = Date.UTC(2026, 4, 4, 12)
/** Of demo/clip.mp4. */
const CLIP_MS = 40_000

/** A clip of 40 s; `n` seconds after the start of the day's first one. */
export function clipOf(n: number, change: Partial<Clip> = {}): Clip {
  const startedAt = START + n * 1_000
  return {
    ...{ id: `clip-${n}`, sequence: n, file: `clip-${n}.mp4`, startedAt, durationMs: CLIP_MS },
    ...{ bytes: 1_000, width: 1280, height: 720, hasAudio: false, complete: true, gaps: [] },
    reasons: [{ kind: 'label', label: 'dog', at: startedAt + 4_000 }],
    ...change,
  }
}

/** The clips of the recorder, in memory; their files are copies of the demo's clip. */
export class TestClips extends EventEmitter<ClipStoreEvents> implements ClipStore {
  readonly folder: string
  readonly #clips = new Map<string, Clip>()
  readonly #watched = new Map<string, number>()

  constructor(folder: string) {
    super()
    this.folder = folder
    mkdirSync(folder, { recursive: true })
  }

  nextSequence(): number {
    return this.#clips.size + 1
  }

  /** Adds a clip with a file. */
  add(clip: Clip): Clip {
    copyFileSync(join(PROJECT_ROOT, 'demo/clip.mp4'), join(this.folder, clip.file))
    this.#clips.set(clip.id, clip)
    this.emit('finished', clip)
    return clip
  }

  begin(clip: Clip): Promise<void> {
    this.#clips.set(clip.id, clip)
    this.emit('begun', clip)
    return Promise.resolve()
  }

  change(clip: Clip): Promise<void> {
    this.#clips.set(clip.id, clip)
    this.emit('changed', clip)
    return Promise.resolve()
  }

  finish(clip: Clip): Promise<void> {
    this.#clips.set(clip.id, clip)
    this.emit('finished', clip)
    return Promise.resolve()
  }

  remove(id: string): Promise<boolean> {
    const clip = this.#clips.get(id)
    if (!clip?.complete || this.#watched.has(id)) return Promise.resolve(false)
    this.#clips.delete(id)
    rmSync(join(this.folder, clip.file), { force: true })
    this.emit('removed', clip)
    return Promise.resolve(true)
  }

  list(): readonly Clip[] {
    return [...this.#clips.values()].sort((a, b) => a.startedAt - b.startedAt)
  }

  get(id: string): Clip | undefined {
    return this.#clips.get(id)
  }

  watch(id: string): Disposable {
    this.#watched.set(id, (this.#watched.get(id) ?? 0) + 1)
    return {
      [Symbol.dispose]: () => {
        const left = (this.#watched.get(id) ?? 0) - 1
        if (left > 0) this.#watched.set(id, left)
        else this.#watched.delete(id)
      },
    }
  }
}

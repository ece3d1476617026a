import type { EventEmitter } from 'node:events'
import type { z } from 'zod'
import type { Clip as ClipMessage, ClipReason as ClipReasonMessage } from '#bus/clip-messages.ts'

/** A recording, and why it was kept. The side-car beside its file has the same fields. */
export type Clip = z.infer<typeof ClipMessage>

export type ClipReason = z.infer<typeof ClipReasonMessage>

export interface ClipStoreEvents {
  /** A recording has begun, and its file exists. */
  begun: [clip: Clip]
  /** Further reasons, or a favorite was set or cleared. */
  changed: [clip: Clip]
  finished: [clip: Clip]
  removed: [clip: Clip]
}

/** The clips on disk. Every clip is complete in itself: an MP4 and a JSON side-car, from which an index can be rebuilt. */
export interface ClipStore extends EventEmitter<ClipStoreEvents> {
  /** Folder of the files that {@link Clip.file} names. */
  readonly folder: string
  /** A larger number than any clip has. */
  nextSequence(): number
  /** A recording begins. Rejects with the system's error when the side-car cannot be written. */
  begin(clip: Clip): Promise<void>
  /** Replaces what is known of a clip that is being recorded, or changes `favorite`. */
  change(clip: Clip): Promise<void>
  finish(clip: Clip): Promise<void>
  /** Deletes a clip; false when it is unknown, is being recorded, or is being watched. Rejects with the system's error; the clip stays. */
  remove(id: string): Promise<boolean>
  /** Oldest first. */
  list(): readonly Clip[]
  get(id: string): Clip | undefined
  /** The clip is not deleted until the result is disposed. */
  watch(id: string): Disposable
}

import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Peer } from '../peer/peer.ts'
import type { AudioFeed, AudioPacket } from './audio-feed.ts'

/** More data than this in our send buffers (TURN over TCP): audio would arrive late. */
const MAX_BACKLOG_BYTES = 60_000

interface ViewerAudioOptions {
  peer: Peer
  feed: AudioFeed
  discarded: EventCounter
}

/** Sends the robot's sound to one connected viewer, if its answer accepts it. */
export function sendAudio({ peer, feed, discarded }: ViewerAudioOptions): Disposable {
  if (peer.audio.codec === undefined) return { [Symbol.dispose]() {} }
  return feed.join(({ payload, timestamp, begins, capturedAt }: AudioPacket) => {
    if (peer.backlog > MAX_BACKLOG_BYTES) {
      discarded.count('viewer too slow for audio')
      return
    }
    // the marker bit of audio begins a talkspurt (RFC 7587 §4.1)
    peer.audio.send({ payloads: [payload], timestamp, endsFrame: begins, capturedAt })
  })
}

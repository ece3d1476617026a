import type { RTCDataChannel } from 'werift'

/** A data channel as the rest of the service sees it. */
export interface Channel {
  readonly label: string
  /** False when it is not open or the viewer does not take what waits already. */
  send(text: string): boolean
}

/** Text, and bytes as undefined: nothing of ours is binary. */
type OnText = (text: string | undefined, channel: Channel) => void

export interface ChannelEvents {
  onText: OnText
  /** It carries nothing any more. */
  onClosed(channel: Channel): void
}

/** Bytes that may wait for a viewer that does not read. */
const MAX_WAITING = 64 * 1024

export function wrapChannel(dataChannel: RTCDataChannel, { onText, onClosed }: ChannelEvents): Channel {
  const channel: Channel = {
    label: dataChannel.label,
    send(text) {
      if (dataChannel.readyState !== 'open' || dataChannel.bufferedAmount > MAX_WAITING) return false
      dataChannel.send(text)
      return true
    },
  }
  dataChannel.onMessage.subscribe((data) => onText(typeof data === 'string' ? data : undefined, channel))
  dataChannel.stateChange.subscribe((state) => {
    if (state === 'closing' || state === 'closed') onClosed(channel)
  })
  return channel
}

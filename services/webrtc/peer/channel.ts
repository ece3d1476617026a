import type { RTCDataChannel } from 'werift'

/** A data channel, without werift. */
export interface Channel {
  readonly label: string
  /** False when the channel is not open, or the viewer does not read what is buffered already. */
  send(text: string): boolean
}

/** Text; undefined for binary messages, which we do not use. */
type OnText = (text: string | undefined, channel: Channel) => void

export interface ChannelEvents {
  onText: OnText
  /** The channel has closed. */
  onClosed(channel: Channel): void
}

/** Bytes buffered for a viewer that does not read. */
const MAX_BUFFERED = 64 * 1024

export function wrapChannel(dataChannel: RTCDataChannel, { onText, onClosed }: ChannelEvents): Channel {
  const channel: Channel = {
    label: dataChannel.label,
    send(text) {
      if (dataChannel.readyState !== 'open' || dataChannel.bufferedAmount > MAX_BUFFERED) return false
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

import { Peer } from './peer.ts'

/** Makes an offer for nobody: the first viewer need not wait for our certificate and for code that is still cold. */
export async function warmUp(): Promise<void> {
  const ignore = () => undefined
  const peer = new Peer(
    {
      iceServers: { stun: [], turn: [] },
      policy: 'all',
      portRange: null,
      additionalHostAddresses: [],
      tlsInsecure: false,
      bitrate: 1_500_000,
      codec: 'h264',
    },
    {
      candidate: ignore,
      connected: ignore,
      failed: ignore,
      keyframeWanted: ignore,
      channel: { onText: ignore, onClosed: ignore },
    },
  )
  await peer.offer()
  await peer.close()
}

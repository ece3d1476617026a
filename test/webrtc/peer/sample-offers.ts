const TRANSPORT = [
  'a=ice-ufrag:zjkk',
  'a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y',
  'a=ice-options:trickle',
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':')}`,
  'a=setup:actpass',
]
const HEAD = ['v=0', 'o=- 52 2 IN IP4 127.0.0.1', 's=-', 't=0 0']
const TWCC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'

const text = (...lines: (string | string[])[]) => `${lines.flat().join('\r\n')}\r\n`

/** An offer of Chromium: audio first, VP8 preferred, several profiles of H.264, a data channel. */
export const CHROMIUM = text(
  HEAD,
  'a=group:BUNDLE 0 1 2',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 0',
  'c=IN IP4 0.0.0.0',
  TRANSPORT,
  'a=mid:0',
  `a=extmap:3 ${TWCC}`,
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:0 PCMU/8000',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114',
  'c=IN IP4 0.0.0.0',
  TRANSPORT,
  'a=mid:1',
  `a=extmap:3 ${TWCC}`,
  'a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=rtpmap:96 VP8/90000',
  ...['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'].map((kind) => `a=rtcp-fb:96 ${kind}`),
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:103 H264/90000',
  'a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
  'a=rtpmap:104 rtx/90000',
  'a=fmtp:104 apt=103',
  'a=rtpmap:107 H264/90000',
  'a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
  'a=rtpmap:108 rtx/90000',
  'a=fmtp:108 apt=109',
  'a=rtpmap:109 H264/90000',
  ...['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli', 'x-other'].map(
    (kind) => `a=rtcp-fb:109 ${kind}`,
  ),
  'a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:114 red/90000',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  TRANSPORT,
  'a=mid:2',
  'a=sctp-port:5000',
)

/** One video m-line without BUNDLE, with these codec lines. */
export function videoOffer(
  formats: string,
  codecs: string[],
  more: string[] = ['a=recvonly', 'a=rtcp-mux'],
): string {
  return text(
    HEAD,
    `m=video 9 UDP/TLS/RTP/SAVPF ${formats}`,
    'c=IN IP4 0.0.0.0',
    TRANSPORT,
    'a=mid:video',
    ...more,
    ...codecs,
  )
}

export const H264_ONLY = videoOffer('96', [
  'a=rtpmap:96 H264/90000',
  'a=fmtp:96 packetization-mode=1;profile-level-id=42e01f',
])

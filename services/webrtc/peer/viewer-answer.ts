import type { Answer } from './answer.ts'
import {
  type AcceptedMedia,
  type OfferedSection,
  offersDataChannel,
  type ViewerOffer,
} from './viewer-offer.ts'

/*
 * A viewer that offers is answered with the means of one that answers: the peer makes its own offer, which is not sent. The
 * viewer's offer is applied to it as an answer, and the answer to the viewer has the values of that own offer. So both kinds
 * of viewers share one negotiated path, with all its limits and work-arounds.
 */

/** Kinds of the m-lines of our own offer, in its order. */
const OWN_KINDS = ['video', 'audio', 'application'] as const

/** The offer as an answer to our own one. */
export function asAnswer(offer: ViewerOffer): Answer {
  const { ice, fingerprints, dtlsRole, sections, codec, payloadType, candidates } = offer
  const transport = [
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.password}`,
    ...fingerprints.map((value) => `a=fingerprint:${value}`),
    `a=setup:${dtlsRole}`,
  ]
  const media = OWN_KINDS.map((kind) => sections.find(({ accepted }) => accepted?.kind === kind)?.accepted)
  const lines = [
    ...['v=0', 'o=- 0 0 IN IP4 0.0.0.0', 's=-', 't=0 0'],
    `a=group:BUNDLE ${media.flatMap((accepted, mid) => (accepted ? mid : [])).join(' ')}`,
    ...(ice.isLite ? ['a=ice-lite'] : []),
    ...media.flatMap((accepted, mid) =>
      accepted ? acceptedSection(accepted, mid, transport) : rejectedSection(mid),
    ),
  ]
  return {
    sdp: join(lines),
    candidates,
    video: { codec, payloadType },
    hasDataChannel: offersDataChannel(offer),
  }
}

function acceptedSection(
  { kind, formats, attributes }: AcceptedMedia,
  mid: number,
  transport: readonly string[],
): string[] {
  return [
    `m=${kind} 9 ${protocolOf(kind)} ${formats.join(' ')}`,
    'c=IN IP4 0.0.0.0',
    ...transport,
    `a=mid:${mid}`,
    ...(kind === 'application' ? [] : ['a=recvonly', 'a=rtcp-mux']),
    ...attributes.map((line) => `a=${ownProfile(line)}`),
  ]
}

function rejectedSection(mid: number): string[] {
  const kind = OWN_KINDS[mid] ?? 'video'
  const isData = kind === 'application'
  return [
    `m=${kind} 0 ${protocolOf(kind)} ${isData ? 'webrtc-datachannel' : '0'}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    ...(isData ? ['a=sctp-port:5000'] : ['a=inactive', 'a=rtcp-mux']),
  ]
}

function protocolOf(kind: AcceptedMedia['kind']): string {
  return kind === 'application' ? 'UDP/DTLS/SCTP' : 'UDP/TLS/RTP/SAVPF'
}

/** werift 0.25.2 compares the profile as text with the one of its own offer. */
function ownProfile(line: string): string {
  return line.replace(/profile-level-id=[0-9a-f]{6}/, 'profile-level-id=42e01f')
}

/** The answer to the viewer, from our own offer with all its candidates. RFC 3264 §6, RFC 9429 §5.3.1. */
export function answerTo(offer: ViewerOffer, own: string): string {
  const [session = '', ...media] = own.split(/^(?=m=)/m)
  const [video = ''] = media
  const transport = [
    ...linesOf(video, /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint):/),
    `a=setup:${offer.dtlsRole === 'active' ? 'passive' : 'active'}`,
  ]
  const tagged = offer.sections.find(({ accepted }) => accepted)
  const sections = offer.sections.flatMap((section) => {
    const { accepted, kind, mid } = section
    if (!accepted) return rejected(section)
    const ownSection = media[OWN_KINDS.indexOf(accepted.kind)] ?? ''
    return [
      `m=${kind} 9 ${section.protocol} ${accepted.formats.join(' ')}`,
      'c=IN IP4 0.0.0.0',
      // RFC 8840 §4.1.1: only the first m-line of a BUNDLE group has candidates
      ...(section === tagged ? [...linesOf(video, /^a=candidate:/), 'a=end-of-candidates'] : []),
      ...transport,
      ...(mid === undefined ? [] : [`a=mid:${mid}`]),
      ...accepted.attributes.map((line) => `a=${line}`),
      ...(kind === 'application' ? linesOf(ownSection, /^a=max-message-size:/) : track(accepted, ownSection)),
    ]
  })
  return join([
    ...linesOf(session, /^(?:v|o|s|t)=/),
    ...bundleLines(offer),
    'a=msid-semantic:WMS *',
    ...sections,
  ])
}

/** What the viewer needs of our sender. */
function track({ formats }: AcceptedMedia, own: string): string[] {
  const hasRtx = formats.length > 1
  const sources = linesOf(own, hasRtx ? /^a=ssrc(?:-group)?:/ : /^a=ssrc:/)
  return [
    ...['a=rtcp:9 IN IP4 0.0.0.0', 'a=sendonly'],
    // RFC 9725 §4.4.1, RFC 8858
    ...['a=rtcp-mux', 'a=rtcp-mux-only'],
    // RFC 9725 §4.4.2: one MediaStream
    ...linesOf(own, /^a=msid:/),
    // the second source is that of retransmissions
    ...(hasRtx ? sources : sources.slice(0, 1)),
  ]
}

function bundleLines({ bundle }: ViewerOffer): string[] {
  return bundle.length > 0 ? [`a=group:BUNDLE ${bundle.join(' ')}`] : []
}

/** The fragment that answers an ICE restart, from our own restart offer. RFC 8840 §9, RFC 9725 §4.3.3. */
export function restartFragment(offer: ViewerOffer, own: string): string {
  const [, video = ''] = own.split(/^(?=m=)/m)
  const tagged = offer.sections.find(({ accepted }) => accepted)
  if (!tagged) throw new Error('nothing accepted')
  return join([
    'a=ice-options:trickle',
    ...bundleLines(offer),
    `m=${tagged.kind} 9 ${tagged.protocol} 0`,
    ...(tagged.mid === undefined ? [] : [`a=mid:${tagged.mid}`]),
    ...linesOf(video, /^a=(?:ice-ufrag|ice-pwd):/),
    ...linesOf(video, /^a=candidate:/),
    'a=end-of-candidates',
  ])
}

/** RFC 3264 §6: port 0, and one format at least. */
function rejected({ kind, protocol, formats, mid }: OfferedSection): string[] {
  return [
    `m=${kind} 0 ${protocol} ${formats[0] ?? '0'}`,
    'c=IN IP4 0.0.0.0',
    'a=inactive',
    ...(mid === undefined ? [] : [`a=mid:${mid}`]),
  ]
}

function linesOf(section: string, pattern: RegExp): string[] {
  return section.split('\r\n').filter((line) => pattern.test(line))
}

function join(lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n`
}

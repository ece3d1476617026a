import type { VideoCodec } from '#bus/messages.ts'
import { H264_PARAMETERS } from './codecs.ts'

/** Why an offer is refused; `docs/relay-protocol.md` maps the codes to HTTP. */
export class OfferError extends Error {
  readonly code: 'bad-offer' | 'no-common-codec'

  constructor(code: OfferError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** One m-line of the offer, and what the answer says to it. RFC 3264 §6: as many m-lines, in the same order. */
export interface OfferedSection {
  kind: string
  protocol: string
  formats: string[]
  mid: string | undefined
  accepted: AcceptedMedia | undefined
}

/** What is accepted of one m-line. */
export interface AcceptedMedia {
  kind: 'video' | 'audio' | 'application'
  /** Payload types, the codec before its retransmission format; `webrtc-datachannel`. */
  formats: string[]
  /** `a=rtpmap`, `a=fmtp`, `a=rtcp-fb` and `a=extmap` of the answer. */
  attributes: string[]
}

/** An offer of a viewer: only checked values, so that nothing else of its text reaches werift or the answer. */
export interface ViewerOffer {
  sections: OfferedSection[]
  /** Mids of the accepted m-lines, in the order of the offer; empty without BUNDLE. RFC 9143 §7.3. */
  bundle: string[]
  ice: { ufrag: string; password: string; isLite: boolean }
  /** `hash value`. RFC 8122 §5. */
  fingerprints: string[]
  /** Role that the viewer has in DTLS. */
  dtlsRole: 'active' | 'passive'
  codec: VideoCodec
  payloadType: number
  /** `a=candidate:` lines. */
  candidates: string[]
}

/** Browsers offer 2 to 10 KB. The limits keep the parsing below a millisecond or two. */
const MAX_LENGTH = 64 * 1024
const MAX_LINES = 1_000
const MAX_SECTIONS = 16
const MAX_CANDIDATES = 64
const MAX_FINGERPRINTS = 4
const MAX_PARAMETERS_LENGTH = 1_000

/** RFC 8839 §5.4: at least 4 and 22 characters. */
const UFRAG = /^[A-Za-z0-9+/]{4,256}$/
const PASSWORD = /^[A-Za-z0-9+/]{22,256}$/
/** RFC 5888 §4, a token; no longer than any that is in use. */
const MID = /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}$/
const FINGERPRINT = /^sha-(?:1|224|256|384|512) [0-9A-F]{2}(?::[0-9A-F]{2}){19,63}$/i
const MEDIA_LINE =
  /^m=(video|audio|application) (\d{1,5})(?:\/\d+)? ([\w/]{1,40})((?: [\w-]{1,32}){1,64})\s*$/
const RTP_PROTOCOL = /^(?:UDP\/TLS\/|TCP\/TLS\/)?RTP\/SAVPF$/
const DATA_PROTOCOL = /^(?:UDP|TCP)\/DTLS\/SCTP$/

const FEEDBACK = ['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc']
const EXTENSIONS = [
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
]
/** Ids of the one-byte form. RFC 8285 §4.2. */
const EXTENSION_ID = /^(?:[1-9]|1[0-4])$/

/** The lines of one m-line, or of the session. */
class Section {
  readonly lines: readonly string[]
  readonly #byFormat = new Map<string, ReadonlyMap<string, string>>()

  constructor(lines: readonly string[]) {
    this.lines = lines
  }

  /** Values of `a=name:value`. */
  values(name: string): string[] {
    const prefix = `a=${name}:`
    return this.lines
      .filter((line) => line.startsWith(prefix))
      .map((line) => line.slice(prefix.length).trim())
  }

  has(flag: string): boolean {
    return this.lines.some((line) => line.trim() === `a=${flag}`)
  }

  /** The first `a=name:<format> value` of each format; read once, since an offer may have hundreds. */
  byFormat(name: 'rtpmap' | 'fmtp'): ReadonlyMap<string, string> {
    const known = this.#byFormat.get(name)
    if (known) return known
    const values = new Map<string, string>()
    for (const line of this.values(name)) {
      const [format = '', value = ''] = line.split(/ (.*)/, 2)
      if (!values.has(format)) values.set(format, value)
    }
    this.#byFormat.set(name, values)
    return values
  }
}

/**
 * Parses the offer of a viewer that wants to receive (draft-ietf-wish-whep §4.2), and decides codec and payload types: the
 * only place that does so for an offer. `first` is the codec that is preferred when the viewer takes both. Throws an OfferError.
 */
export function parseViewerOffer(text: string, first: VideoCodec): ViewerOffer {
  if (text.length > MAX_LENGTH) refuse(`an offer of ${text.length} characters; ${MAX_LENGTH} at most`)
  const lines = text.split(/\r?\n/)
  if (lines.length > MAX_LINES) refuse(`an offer of ${lines.length} lines; ${MAX_LINES} at most`)
  if (lines[0] !== 'v=0') refuse('not a session description: it must begin with v=0')
  const [session, ...media] = split(lines)
  if (!session || media.length === 0) refuse('the offer has no m-line')
  if (media.length > MAX_SECTIONS) refuse(`an offer of ${media.length} m-lines; ${MAX_SECTIONS} at most`)

  const offered = media.map((section) => ({ section, ...mediaLine(section) }))
  const mids = offered.flatMap(({ mid }) => mid ?? [])
  if (new Set(mids).size < mids.length) refuse('two m-lines have the same a=mid')
  const video = chooseVideo(offered, first)
  const members = bundleGroup(session, mids)
  const group = members.includes(video.of.mid ?? '') ? members : []
  const shares = ({ mid }: Offered) => group.includes(mid ?? '')
  const audio = offered.find((one) => shares(one) && acceptAudio(one))
  const data = offered.find((one) => shares(one) && acceptData(one))
  const accepted = new Map<Offered, AcceptedMedia | undefined>([[video.of, video.media]])
  if (audio) accepted.set(audio, acceptAudio(audio))
  if (data) accepted.set(data, acceptData(data))

  // RFC 9143 §7.1.3: the parameters of the transport are those of the first m-line of the group
  const tagged = offered.find(({ mid }) => mid !== undefined && mid === group[0])
  const sources = [tagged, video.of].flatMap((one) => one?.section ?? []).concat(session)
  return {
    sections: offered.map((one) => ({ ...describe(one), accepted: accepted.get(one) })),
    bundle: group.filter((mid) => offered.some((one) => one.mid === mid && accepted.has(one))),
    ...transport(sources, session),
    codec: video.codec,
    payloadType: video.payloadType,
    candidates: media.flatMap(candidateLines).slice(0, MAX_CANDIDATES),
  }
}

/** User fragment and password of an offer or of a fragment of RFC 8840 §9; undefined where they are missing or unusable. */
export function iceCredentials(text: string): { ufrag: string; password: string } | undefined {
  const section = new Section(text.slice(0, MAX_LENGTH).split(/\r?\n/))
  const [ufrag = ''] = section.values('ice-ufrag')
  const [password = ''] = section.values('ice-pwd')
  return UFRAG.test(ufrag) && PASSWORD.test(password) ? { ufrag, password } : undefined
}

/** Whether the viewer may send commands. */
export function offersDataChannel({ sections }: ViewerOffer): boolean {
  return sections.some(({ accepted }) => accepted?.kind === 'application')
}

type Offered = { section: Section; kind: string; port: number } & Omit<OfferedSection, 'accepted'>

function refuse(message: string): never {
  throw new OfferError('bad-offer', message)
}

function describe({ kind, protocol, formats, mid }: Offered): Omit<OfferedSection, 'accepted'> {
  return { kind, protocol, formats, mid }
}

function split(lines: readonly string[]): Section[] {
  const starts = lines.flatMap((line, i) => (line.startsWith('m=') ? i : []))
  return [0, ...starts].map((start, i) => new Section(lines.slice(start, starts[i])))
}

function mediaLine(section: Section): Omit<Offered, 'section'> {
  const [, kind = '', port = '0', protocol = '', formats = ''] = MEDIA_LINE.exec(section.lines[0] ?? '') ?? []
  if (!kind) refuse('an m-line is malformed, or of another kind than video, audio and application')
  const [mid] = section.values('mid')
  if (mid !== undefined && !MID.test(mid)) refuse('an a=mid is malformed')
  return { kind, port: Number(port), protocol, formats: formats.trim().split(' '), mid }
}

/** The first BUNDLE group. RFC 9143 §5. */
function bundleGroup(session: Section, mids: readonly string[]): string[] {
  const [group = ''] = session.values('group').filter((value) => value.startsWith('BUNDLE '))
  const members = group.split(/\s+/).slice(1)
  if (members.some((mid) => !mids.includes(mid))) refuse('a=group:BUNDLE names an a=mid that no m-line has')
  if (new Set(members).size < members.length) refuse('a=group:BUNDLE names an a=mid twice')
  return members
}

/** Port 0 means rejected, unless the m-line is bundle-only (RFC 9143 §6). Media flow to the viewer only. */
function isReceiving({ section, port }: Offered): boolean {
  return (port !== 0 || section.has('bundle-only')) && !section.has('sendonly') && !section.has('inactive')
}

/** RFC 9725 §4.4.1: RTP and RTCP share the port. */
function isRtp(one: Offered): boolean {
  return RTP_PROTOCOL.test(one.protocol) && one.section.has('rtcp-mux') && isReceiving(one)
}

interface VideoChoice {
  of: Offered
  media: AcceptedMedia
  codec: VideoCodec
  payloadType: number
}

function chooseVideo(offered: readonly Offered[], first: VideoCodec): VideoChoice {
  const usable = offered.filter((one) => one.kind === 'video' && isRtp(one))
  if (usable.length === 0)
    refuse(
      'no video m-line can be answered: it must be recvonly or sendrecv, UDP/TLS/RTP/SAVPF, with a=rtcp-mux',
    )
  const codecs: VideoCodec[] = first === 'vp8' ? ['vp8', 'h264'] : ['h264', 'vp8']
  const choices = codecs.flatMap((codec) => usable.flatMap((of) => chooseFormat(of, codec)))
  if (choices[0]) return choices[0]
  throw new OfferError(
    'no-common-codec',
    `the robot sends H.264 (packetization-mode=1) or VP8; the offer has ${codecNames(usable) || 'no codec'}`,
  )
}

function chooseFormat(of: Offered, codec: VideoCodec): VideoChoice[] {
  const format = codec === 'h264' ? chooseH264(of) : formatsOf(of, /^VP8\/90000$/i)[0]
  if (format === undefined) return []
  return [{ of, codec, payloadType: Number(format), media: videoMedia(of, codec, format) }]
}

function codecNames(offered: readonly Offered[]): string {
  const names = offered.flatMap(({ section }) => [...section.byFormat('rtpmap').values()])
  return [...new Set(names)].slice(0, 12).join(', ').slice(0, 200)
}

/** Payload types of a codec, in the order of the m-line: the viewer's preference (RFC 3264 §6.1). */
function formatsOf({ section, formats }: Offered, encoding: RegExp): string[] {
  const maps = section.byFormat('rtpmap')
  return formats.filter((format) => isPayloadType(format) && encoding.test(maps.get(format) ?? ''))
}

/** 64 to 95 are taken for RTCP on the same port. RFC 5761 §4. */
function isPayloadType(format: string): boolean {
  const type = Number(format)
  return /^\d{1,3}$/.test(format) && type <= 127 && (type < 64 || type > 95)
}

function parametersOf({ section }: Offered, format: string): Map<string, string> {
  const pairs = (section.byFormat('fmtp').get(format) ?? '').slice(0, MAX_PARAMETERS_LENGTH).split(';')
  return new Map(
    pairs.map((pair) => {
      const [key = '', value = ''] = pair.trim().toLowerCase().split('=')
      return [key, value]
    }),
  )
}

/**
 * RFC 6184 §8.2.2: packetization mode and profile are symmetric. The stream is constrained baseline, which every decoder of
 * baseline, main and high decodes as well.
 */
function chooseH264(offered: Offered): string | undefined {
  const candidates = formatsOf(offered, /^H264\/90000$/i).flatMap((format) => {
    const parameters = parametersOf(offered, format)
    const profile = parameters.get('profile-level-id') ?? ''
    const rank = ['42e0', '42', ''].findIndex((prefix) => profile.startsWith(prefix))
    return parameters.get('packetization-mode') === '1' ? { format, rank } : []
  })
  return candidates.toSorted((a, b) => a.rank - b.rank)[0]?.format
}

function videoMedia(offered: Offered, codec: VideoCodec, format: string): AcceptedMedia {
  const rtx = formatsOf(offered, /^rtx\/90000$/i).find(
    (one) => parametersOf(offered, one).get('apt') === format,
  )
  const profile = parametersOf(offered, format).get('profile-level-id') ?? ''
  // the level is that of the stream, the profile that of the offer (RFC 6184 §8.2.2)
  const parameters = /^[0-9a-f]{6}$/.test(profile)
    ? H264_PARAMETERS.replace('42e01f', `${profile.slice(0, 4)}1f`)
    : H264_PARAMETERS
  return {
    kind: 'video',
    formats: [format, ...(rtx ? [rtx] : [])],
    attributes: [
      `rtpmap:${format} ${codec === 'h264' ? 'H264' : 'VP8'}/90000`,
      ...feedback(offered, format),
      ...(codec === 'h264' ? [`fmtp:${format} ${parameters}`] : []),
      ...(rtx ? [`rtpmap:${rtx} rtx/90000`, `fmtp:${rtx} apt=${format}`] : []),
      ...extensions(offered, EXTENSIONS),
    ],
  }
}

/** RFC 4585 §4.2: of what the viewer offers for the format, or for all (`*`). */
function feedback({ section }: Offered, format: string): string[] {
  const offered = section.values('rtcp-fb')
  return FEEDBACK.filter(
    (kind) => offered.includes(`${format} ${kind}`) || offered.includes(`* ${kind}`),
  ).map((kind) => `rtcp-fb:${format} ${kind}`)
}

/** RFC 8285 §6: with the id of the offer. */
function extensions({ section }: Offered, uris: readonly string[]): string[] {
  const taken = new Set<string>()
  return section.values('extmap').flatMap((value) => {
    const [id = '', uri = ''] = value.split(' ')
    const [number = ''] = id.split('/')
    if (!uris.includes(uri) || !EXTENSION_ID.test(number) || taken.has(number) || taken.has(uri)) return []
    taken.add(number).add(uri)
    return [`extmap:${number} ${uri}`]
  })
}

function acceptAudio(offered: Offered): AcceptedMedia | undefined {
  const [format] = offered.kind === 'audio' && isRtp(offered) ? formatsOf(offered, /^opus\/48000\/2$/i) : []
  if (format === undefined) return undefined
  return {
    kind: 'audio',
    formats: [format],
    attributes: [
      `rtpmap:${format} opus/48000/2`,
      ...feedback(offered, format).filter((line) => line.endsWith('transport-cc')),
      `fmtp:${format} minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0`,
      ...extensions(offered, EXTENSIONS.slice(0, 1)),
    ],
  }
}

/** The data channels that the viewer opens; without one it only watches. RFC 8841. */
function acceptData({ kind, protocol, formats, section, port }: Offered): AcceptedMedia | undefined {
  const isUsable = DATA_PROTOCOL.test(protocol) && formats[0] === 'webrtc-datachannel'
  const [sctpPort = ''] = section.values('sctp-port')
  if (kind !== 'application' || !isUsable || !isPort(sctpPort)) return undefined
  if (port === 0 && !section.has('bundle-only')) return undefined
  return { kind: 'application', formats: ['webrtc-datachannel'], attributes: [`sctp-port:${sctpPort}`] }
}

/** RFC 8841 §5.1; port 0 is no port of SCTP (RFC 9260 §3.1). */
function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
}

function transport(
  sources: readonly Section[],
  session: Section,
): Pick<ViewerOffer, 'ice' | 'fingerprints' | 'dtlsRole'> {
  const firstOf = (name: string) =>
    sources.map((source) => source.values(name)).find(({ length }) => length > 0) ?? []
  const [ufrag = ''] = firstOf('ice-ufrag')
  const [password = ''] = firstOf('ice-pwd')
  if (!UFRAG.test(ufrag) || !PASSWORD.test(password))
    refuse('a=ice-ufrag or a=ice-pwd is missing or malformed')
  const fingerprints = firstOf('fingerprint').filter((value) => FINGERPRINT.test(value))
  if (fingerprints.length === 0) refuse('a=fingerprint is missing or malformed')
  const [setup = 'actpass'] = firstOf('setup')
  if (!['actpass', 'active', 'passive'].includes(setup)) refuse('a=setup must be actpass, active or passive')
  return {
    ice: { ufrag, password, isLite: session.has('ice-lite') },
    fingerprints: fingerprints.slice(0, MAX_FINGERPRINTS),
    // RFC 9725 §4.4.4: the answer is passive where the offer leaves the choice
    dtlsRole: setup === 'passive' ? 'passive' : 'active',
  }
}

function candidateLines({ lines }: Section): string[] {
  return lines.filter((line) => line.startsWith('a=candidate:'))
}

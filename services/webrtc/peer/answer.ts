import type { VideoCodec } from '#bus/messages.ts'

/** The format that an answer selects for the video. */
interface VideoFormat {
  codec: VideoCodec
  payloadType: number
}

export interface Answer {
  /** The answer as werift has to see it, without candidates. */
  sdp: string
  /** `a=candidate:` lines. */
  candidates: string[]
  /** Undefined when the answer rejects the video or accepts none of our codecs. */
  video: VideoFormat | undefined
  /** False when it rejects the data channel. */
  hasDataChannel: boolean
}

/** Browsers answer with 5 to 10 KB. Both limits keep the parsing below a millisecond or two. */
const MAX_LENGTH = 64 * 1024
const MAX_LINES = 1_000
/** m-lines of our offer: video, audio, data channel. RFC 3264 §6. */
const MAX_SECTIONS = 3
/** RFC 8839 §5.4; the characters are not limited to those of ICE, since they only have to fit STUN's USERNAME. */
const CREDENTIAL = /^[\x21-\x7e]{1,256}$/

/**
 * Throws when an answer, or the answer to an ICE restart, is too large to be one, or its ICE credentials cannot be used.
 */
export function checkAnswer(text: string): void {
  if (text.length > MAX_LENGTH) throw new Error(`an answer of ${text.length} characters`)
  const lines = text.split('\n')
  if (lines.length > MAX_LINES) throw new Error(`an answer of ${lines.length} lines`)
  const sections = lines.filter((line) => line.startsWith('m=')).length
  if (sections > MAX_SECTIONS)
    throw new Error(`an answer of ${sections} m-lines to an offer of ${MAX_SECTIONS}`)
  for (const [, kind, value = ''] of text.matchAll(/^a=(ice-ufrag|ice-pwd):(.*?)\r?$/gm)) {
    if (!CREDENTIAL.test(value.trim())) throw new Error(`unusable a=${kind}`)
  }
}

/**
 * Parses an answer that {@link checkAnswer} accepts. The only place that decides codec and payload type: the first format of the video m-line that we have
 * offered (RFC 3264 §6.1), whatever the order of the `a=rtpmap` lines. werift 0.25.2 follows the latter, so these are put
 * in the order of the m-line.
 */
export function parseAnswer(text: string): Answer {
  const lines = text.split(/\r?\n/)
  const isCandidate = (line: string) => /^a=(candidate:|end-of-candidates)/.test(line)
  const sections = lines
    .filter((line) => !isCandidate(line))
    .join('\r\n')
    .split(/^(?=m=)/m)
  const video = sections.find((section) => section.startsWith('m=video'))
  const data = sections.find((section) => section.startsWith('m=application'))
  const hasDataChannel = data !== undefined && portOf(data) !== 0
  return {
    sdp: sections.map((section) => withSctpPort(inOrderOfFormats(section))).join(''),
    candidates: lines.filter((line) => line.startsWith('a=candidate:')),
    video: video === undefined || portOf(video) === 0 ? undefined : selectedFormat(video),
    hasDataChannel,
  }
}

function portOf(section: string): number {
  return Number(/^m=\S+ (\d+)/.exec(section)?.[1])
}

function formatsOf(section: string): string[] {
  return (/^m=\S+ \S+ \S+ (.*?)\s*$/m.exec(section)?.[1] ?? '').split(/\s+/)
}

function selectedFormat(section: string): VideoFormat | undefined {
  const names = new Map(
    Array.from(section.matchAll(/^a=rtpmap:(\d+) (\w+)\/90000/gm), ([, type, name]) => [type, name]),
  )
  for (const format of formatsOf(section)) {
    const codec = names.get(format)?.toLowerCase()
    if (codec === 'h264' || codec === 'vp8') return { codec, payloadType: Number(format) }
  }
  return undefined
}

/** Moves the `a=rtpmap` lines into the order of the m-line, and drops those of formats that it does not list. */
function inOrderOfFormats(section: string): string {
  const maps = Array.from(section.matchAll(/^a=rtpmap:(\d+) .*$/gm), ([line, type = '']) => ({ line, type }))
  if (maps.length === 0) return section
  const formats = formatsOf(section)
  const ordered = formats.flatMap((format) => maps.find(({ type }) => type === format)?.line ?? [])
  const lines = section.split('\r\n')
  const first = lines.findIndex((line) => line.startsWith('a=rtpmap:'))
  const kept = lines.filter((line) => !line.startsWith('a=rtpmap:') && !isOfOther(line, formats))
  const before = lines.slice(0, first).filter((line) => kept.includes(line)).length
  return [...kept.slice(0, before), ...ordered, ...kept.slice(before)].join('\r\n')
}

/** An attribute of a format that the m-line does not list. */
function isOfOther(line: string, formats: readonly string[]): boolean {
  const format = /^a=(?:fmtp|rtcp-fb):(\d+) /.exec(line)?.[1]
  return format !== undefined && !formats.includes(format)
}

/** werift 0.25.2 requires `a=sctp-port` even where the data channel is rejected (port 0), which may omit it. */
function withSctpPort(section: string): string {
  const isRejected = section.startsWith('m=application') && portOf(section) === 0
  if (!isRejected || section.includes('a=sctp-port:')) return section
  return `${section.replace(/\s*$/, '')}\r\na=sctp-port:5000\r\n`
}

import { ContractError } from '#bus/contract-error.ts'
import { SoundInput } from '../capture/sources/sound-input.ts'
import { SAMPLE_RATE } from '../sound/format.ts'
import { checkTables, isMp4 } from './mp4-tables.ts'

/** Formats that apps name. An app that names `aac` may send it in an MP4 file, so the content decides. */
const FORMATS: ReadonlySet<unknown> = new Set(['aac', 'wav', 'mp3', 'opus', 'm4a'])
/** FFmpeg's demuxers for them. */
const DEMUXERS = 'aac,wav,mp3,ogg,matroska,webm'
/** FFmpeg also finds these where the file type is missing, and then the tables are not checked. */
const MP4_DEMUXERS = 'mov,mp4,m4a'
/** 10 s of WAV at 48 kHz in 16 bits, and its header. */
const MAX_BYTES = 1024 * 1024
/** Clips are 10 s long; what an app records may be a little longer. */
const MAX_SAMPLES = 10.5 * SAMPLE_RATE
/** The app waits for 10 s and the clip. */
const TIMEOUT_MS = 8_000
/** Of the samples in a WAV file; each packet takes a turn of the event loop. */
const PACKET_BYTES = 65_536

/**
 * The samples of a clip, 48 kHz mono. `data` is base64. Rejects with the reason, for the app, when it is too large, too long, or
 * nothing that can be decoded.
 */
export async function decodeClip(data: unknown, format: unknown): Promise<Int16Array> {
  if (typeof data !== 'string' || data === '') throw new ContractError('data must be base64 text')
  if (format !== undefined && !FORMATS.has(format)) {
    throw new ContractError(`format must be one of ${[...FORMATS].join(', ')}`)
  }
  if (data.length > Math.ceil(MAX_BYTES / 3) * 4) throw new ContractError('the clip is larger than 1 MiB')
  const bytes = Buffer.from(data, 'base64')
  if (bytes.length === 0) throw new ContractError('the clip is empty')
  checkTables(bytes)
  return await decode(bytes)
}

async function decode(bytes: Buffer): Promise<Int16Array> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  await using input = await SoundInput.open('', {
    signal,
    options: {
      format_whitelist: isMp4(bytes) ? MP4_DEMUXERS : DEMUXERS,
      protocol_whitelist: '',
      probesize: String(MAX_BYTES),
      max_size: String(PACKET_BYTES),
    },
    bytes,
  })
  const parts: Int16Array[] = []
  let total = 0
  for (let samples = await input.next(); samples; samples = await input.next()) {
    total += samples.length
    if (total > MAX_SAMPLES) throw new ContractError('the clip is longer than 10 s')
    parts.push(samples)
  }
  if (signal.aborted) throw new ContractError('the clip takes too long to decode')
  if (total === 0) throw new ContractError('no sound in the clip')
  const all = new Int16Array(total)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

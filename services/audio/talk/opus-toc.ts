/** Frame durations in samples at 48 kHz, by configuration number. RFC 6716 §3.1, table 2. */
const SILK = [480, 960, 1_920, 2_880]
const HYBRID = [480, 960]
const CELT = [120, 240, 480, 960]
/** A packet is at most 120 ms long. RFC 6716 §3.2.5. */
const MAX_SAMPLES = 5_760

/** Samples at 48 kHz of an Opus packet; undefined for one that is malformed. RFC 6716 §3. */
export function opusSamples(packet: Buffer): number | undefined {
  const [toc] = packet
  if (toc === undefined) return undefined
  const code = toc & 3
  const frames = code === 0 ? 1 : code === 3 ? (packet[1] ?? 0) & 0x3f : 2
  const samples = frames * frameSamples(toc)
  return samples > 0 && samples <= MAX_SAMPLES ? samples : undefined
}

/** Of the frames of a packet that begins with this byte. */
function frameSamples(toc: number): number {
  const config = toc >> 3
  const durations = config < 12 ? SILK : config < 16 ? HYBRID : CELT
  return durations[config % durations.length] ?? 0
}

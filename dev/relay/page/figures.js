/** Number of samples for rate and bitrate, and for loss. */
const RATE_SAMPLES = 6
const LOSS_SAMPLES = 20

/**
 * @typedef {{ at: number, packets: number, decoded: number, bytes: number, received: number, lost: number, freezes: number,
 *   width: number, height: number, codec: string, path: string, rttMs: number | null }} Sample
 * @typedef {{ width: number, height: number, fps: number, bitrate: number, rttMs: number | null, loss: number,
 *   freezes: number, codec: string, path: string }} Figures
 */

/** The current counters of a connection. @param {RTCPeerConnection} pc @returns {Promise<Sample>} */
export async function sample(pc) {
  const report = await pc.getStats()
  /** @type {any[]} */
  const inbound = [...report.values()].filter(({ type }) => type === 'inbound-rtp')
  const video = inbound.find(({ kind }) => kind === 'video') ?? {}
  const pair = selectedPair(report)
  return {
    at: performance.now(),
    packets: inbound.reduce((sum, { packetsReceived }) => sum + (packetsReceived ?? 0), 0),
    decoded: video.framesDecoded ?? 0,
    bytes: video.bytesReceived ?? 0,
    received: video.packetsReceived ?? 0,
    lost: video.packetsLost ?? 0,
    freezes: video.freezeCount ?? 0,
    width: video.frameWidth ?? 0,
    height: video.frameHeight ?? 0,
    codec: (report.get(video.codecId)?.mimeType ?? '').replace('video/', '').replace('H264', 'H.264'),
    path: describe(report.get(pair?.localCandidateId), report.get(pair?.remoteCandidateId)),
    rttMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
  }
}

/** @param {RTCStatsReport} report */
function selectedPair(report) {
  /** @type {any[]} */
  const all = [...report.values()]
  const transport = all.find(({ type }) => type === 'transport')
  // Firefox has no transport in its report
  return (
    report.get(transport?.selectedCandidatePairId) ??
    all.find(({ type, selected }) => type === 'candidate-pair' && selected)
  )
}

/** @param {any} local @param {any} remote */
function describe(local, remote) {
  if (!local || !remote) return ''
  const types = `${local.candidateType} – ${remote.candidateType}`
  return `${types}, ${local.relayProtocol ?? local.protocol ?? 'udp'}`
}

/** Turns samples into statistics of the last few seconds. */
export class Meter {
  /** @type {Sample[]} */
  #samples = []

  /** @param {Sample} now @returns {Figures} */
  add(now) {
    const last = this.#samples.at(-1)
    if (last && (now.at < last.at || now.bytes < last.bytes)) this.#samples = [] // another connection
    this.#samples.push(now)
    if (this.#samples.length > LOSS_SAMPLES) this.#samples.shift()
    const before = this.#samples.at(-RATE_SAMPLES) ?? this.#samples[0] ?? now
    const long = this.#samples[0] ?? now
    const seconds = (now.at - before.at) / 1000
    const lost = Math.max(0, now.lost - long.lost)
    const packets = now.received - long.received + lost
    return {
      width: now.width,
      height: now.height,
      fps: seconds > 0 ? (now.decoded - before.decoded) / seconds : 0,
      bitrate: seconds > 0 ? ((now.bytes - before.bytes) * 8) / seconds : 0,
      rttMs: now.rttMs,
      loss: packets > 0 ? lost / packets : 0,
      freezes: now.freezes,
      codec: now.codec,
      path: now.path,
    }
  }
}

/**
 * @typedef {{ width: number, height: number, fps: number, bitrate: number, rttMs: number | null, loss: number, freezes: number,
 *   codec: string, path: string, inboundBytes: number }} Figures
 */

/** Figures of a connection over the time since the last reading, so that they show now and not an average of all time. */
export function createFigures() {
  /** @type {any} */
  let last = null
  /** @param {RTCPeerConnection} pc @returns {Promise<Figures>} */
  return async (pc) => {
    const reading = gather(await pc.getStats())
    const before = last?.pc === pc ? last.reading : null
    last = { pc, reading }
    return figuresOf(reading, before)
  }
}

/** @param {RTCStatsReport} report */
function gather(report) {
  const all = [...report.values()]
  const video = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video') ?? {}
  const inbound = all.filter(({ type }) => type === 'inbound-rtp')
  const transport = all.find(({ type }) => type === 'transport')
  const pair = report.get(transport?.selectedCandidatePairId) ?? {}
  return {
    at: performance.now(),
    video,
    inboundBytes: inbound.reduce((sum, { bytesReceived }) => sum + (bytesReceived ?? 0), 0),
    codec: report.get(video.codecId)?.mimeType?.replace('video/', '') ?? '–',
    rttMs: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    path: describe(report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)),
  }
}

/** @param {any} local @param {any} remote */
function describe(local, remote) {
  if (!local || !remote) return '–'
  const kind = [local, remote].some(({ candidateType }) => candidateType === 'relay') ? 'TURN' : 'direct'
  return `${kind}, ${local.protocol ?? 'udp'}`
}

/** @param {any} now @param {any} before @returns {Figures} */
function figuresOf(now, before) {
  const { video } = now
  const seconds = before ? (now.at - before.at) / 1000 : 0
  /** @param {string} key */
  const more = (key) => (before ? (video[key] ?? 0) - (before.video[key] ?? 0) : 0)
  const packets = more('packetsReceived') + more('packetsLost')
  return {
    width: video.frameWidth ?? 0,
    height: video.frameHeight ?? 0,
    fps: seconds > 0 ? more('framesDecoded') / seconds : 0,
    bitrate: seconds > 0 ? (more('bytesReceived') * 8) / seconds : 0,
    rttMs: now.rttMs,
    loss: packets > 0 ? Math.max(0, more('packetsLost')) / packets : 0,
    freezes: video.freezeCount ?? 0,
    codec: now.codec,
    path: now.path,
    inboundBytes: now.inboundBytes,
  }
}

/** Why a session ended; docs/operating.md explains each. */
export const REASON = {
  viewerLeft: 'viewer-left',
  superseded: 'superseded',
  evicted: 'evicted',
  noPlace: 'no-place',
  offerFailed: 'offer-failed',
  badAnswer: 'bad-answer',
  answerTimeout: 'answer-timeout',
  connectTimeout: 'connect-timeout',
  iceFailed: 'ice-failed',
  limitExceeded: 'limit-exceeded',
  connectionLost: 'connection-lost',
  outOfMemory: 'out-of-memory',
  serviceStopping: 'service-stopping',
} as const

/** Error texts for the relay, for the reasons that are errors to it. */
export const ERRORS: Partial<Record<string, string>> = {
  [REASON.noPlace]: 'all places are taken by viewers that may drive (webrtc.max_connections)',
  [REASON.offerFailed]: 'the offer could not be created',
  [REASON.badAnswer]: 'unusable SDP answer',
  [REASON.answerTimeout]: 'answer timeout',
  [REASON.connectTimeout]: 'connect timeout',
}

/** Why a session ended. */
export const REASON = {
  viewerLeft: 'viewer-left',
  superseded: 'superseded',
  evicted: 'evicted',
  offerFailed: 'offer-failed',
  badAnswer: 'bad-answer',
  answerTimeout: 'answer-timeout',
  connectTimeout: 'connect-timeout',
  iceFailed: 'ice-failed',
  connectionLost: 'connection-lost',
  outOfMemory: 'out-of-memory',
  serviceStopping: 'service-stopping',
} as const

/** Endings that are an error to the relay as well, and what it is told. */
export const ERRORS: Partial<Record<string, string>> = {
  [REASON.offerFailed]: 'the offer could not be made',
  [REASON.badAnswer]: 'the answer is of no use',
  [REASON.answerTimeout]: 'answer timeout',
  [REASON.connectTimeout]: 'connect timeout',
}

/** Something outside is away (relay, camera, model file): say so once, retry with backoff. */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
}

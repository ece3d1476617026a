/** An external resource is unavailable (relay, camera, model file): log once, retry with backoff. */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
}

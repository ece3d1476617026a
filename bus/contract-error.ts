/** A message violates its contract: drop it, log a `warn`, continue. */
export class ContractError extends Error {
  override name = 'ContractError'
}

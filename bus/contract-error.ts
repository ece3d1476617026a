/** A peer said something outside the contract: drop the message, log a `warn`, go on. */
export class ContractError extends Error {
  override name = 'ContractError'
}

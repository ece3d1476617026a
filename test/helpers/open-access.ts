import type { Authorizer } from '#broker/auth/authorizer.ts'

/** Accepts every client and every message: for tests that are not about rights. */
export function openAuthorizer(): Authorizer {
  return {
    login: () => Promise.resolve(undefined),
    mayPublish: () => true,
    maySubscribe: () => true,
    mayRead: () => true,
    isAnonymous: () => false,
  }
}

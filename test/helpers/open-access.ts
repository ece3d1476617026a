import type { Access } from '#broker/auth/authorizer.ts'

/** Lets everybody in and everything through: for tests that are not about rights. */
export function openAccess(): Access {
  return {
    login: () => Promise.resolve(undefined),
    mayPublish: () => true,
    maySubscribe: () => true,
    mayRead: () => true,
    isNameless: () => false,
  }
}

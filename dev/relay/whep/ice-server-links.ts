import { isObject } from '../frame.ts'

/** In a quoted string, without escapes. RFC 9110 §5.6.4. */
const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const ICE_URL = /^(?:stun|turn)s?:[\x21\x23-\x3b\x3d\x3f-\x7e]+$/i

/** `Link` headers of the servers of `local_relay.ice_servers`; those that fit in no header are left out. RFC 9725 §4.6. */
export function iceServerLinks(servers: readonly unknown[]): string[] {
  return servers.flatMap((server) => {
    const { urls, url, username, credential } = isObject(server) ? server : { urls: server }
    return [urls ?? url ?? []].flat().flatMap((one) => {
      if (typeof one !== 'string' || !ICE_URL.test(one)) return []
      const account =
        isQuotable(username) && isQuotable(credential)
          ? `; username="${username}"; credential="${credential}"; credential-type="password"`
          : ''
      return `<${one}>; rel="ice-server"${account}`
    })
  })
}

function isQuotable(text: unknown): text is string {
  return typeof text === 'string' && QUOTABLE.test(text)
}

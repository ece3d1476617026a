/** The host of a URL or of a Host header without the brackets of an IPv6 address, as sockets take it. RFC 3986 §3.2.2. */
export function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

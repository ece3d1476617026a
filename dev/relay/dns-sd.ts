import type { Answer, Question } from 'dns-packet'

/** What is announced. */
export interface Announced {
  /** First label of the host name: `wimz-05` for `wimz-05.local`. */
  host: string
  /** Name that a browser of services shows. */
  instance: string
  port: number
  https?: boolean
}

/** Seconds: of records with an address in them, and of the others. RFC 6762 §10. */
const ADDRESS_TTL = 120
const OTHER_TTL = 4_500
const ENUMERATION = '_services._dns-sd._udp.local'

/** All records, with these IPv4 addresses; `alive: false` withdraws them (RFC 6762 §10.1). */
export function recordsOf(
  { host, instance, port, https }: Announced,
  addresses: readonly string[],
  alive = true,
): Answer[] {
  const target = `${host}.local`
  const ttl = alive ? ADDRESS_TTL : 0
  const otherTtl = alive ? OTHER_TTL : 0
  return [
    ...[`_${https ? 'https' : 'http'}._tcp.local`, '_wimz._tcp.local'].flatMap((type): Answer[] => {
      // the instance is one label; a dot in it would be a second
      const name = `${instance.replaceAll('.', '-')}.${type}`
      return [
        { type: 'PTR', name: ENUMERATION, ttl: otherTtl, data: type },
        { type: 'PTR', name: type, ttl: otherTtl, data: name },
        { type: 'SRV', name, ttl, flush: true, data: { port, target, priority: 0, weight: 0 } },
        {
          type: 'TXT',
          name,
          ttl: otherTtl,
          flush: true,
          data: ['path=/', ...(https ? ['scheme=https'] : [])],
        },
      ]
    }),
    ...addresses.map((data): Answer => ({ type: 'A', name: target, ttl, flush: true, data })),
  ]
}

/** The records that these questions ask for, and those that go with them (RFC 6763 §12); empty when nothing is ours. */
export function answersTo(questions: readonly Question[], records: readonly Answer[]) {
  const asked = (record: Answer) =>
    questions.some(
      ({ name, type }) =>
        name.toLowerCase() === record.name.toLowerCase() &&
        (type === record.type || (type as string) === 'ANY'),
    )
  const answers = records.filter(asked)
  const isEnumeration = answers.every(({ name }) => name === ENUMERATION)
  const additionals = isEnumeration ? [] : records.filter((record) => record.type !== 'PTR' && !asked(record))
  return { answers, additionals: answers.length > 0 ? additionals : [] }
}

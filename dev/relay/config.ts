import { z } from 'zod'
import { CloudIdentity } from '#lib/config-schema.ts'
import { isLoopback } from '#lib/loopback.ts'

const Dog = z.looseObject({ dog_id: z.string(), name: z.string() })

/** `local_relay`: a relay on this machine, with a page to watch on. */
export const LocalRelaySection = z
  .strictObject({
    enabled: z.boolean().default(false),
    host: z.string().default('127.0.0.1'),
    port: z.coerce.number<number | string>().pipe(z.int().min(0).max(65_535)).default(8080),
    /** What the page must say as `?token=`; needed as soon as others reach `host`. */
    token: z.string().min(1).optional(),
    /** Further robots, id: secret. The one of section `cloud` is known anyway. */
    devices: z.record(z.string(), z.string()).default({}),
    /** STUN and TURN servers that both sides are told. */
    ice_servers: z.array(z.unknown()).default([]),
    dogs: z.array(Dog).default([{ dog_id: 'demo-dog', name: 'Rex' }]),
    /** One app at a time, as the relay in the cloud has it: a second one supersedes the first. */
    single_app: z.boolean().default(false),
  })
  .refine(({ host, token }) => isLoopback(host) || token !== undefined, {
    path: ['token'],
    error: 'needed where others reach local_relay.host: whoever says it may watch and send commands',
  })
  .prefault({})
export type LocalRelaySection = z.infer<typeof LocalRelaySection>

export const config = { local_relay: LocalRelaySection, cloud: CloudIdentity }

import { z } from 'zod'
import { number } from '#lib/coerced-number.ts'
import { CloudIdentity, DataDir } from '#lib/config-schema.ts'
import { isLoopback } from '#lib/loopback.ts'

const Dog = z.looseObject({ dog_id: z.string(), name: z.string() })

/** `local_relay`: a relay on this machine, with a viewer page. */
export const LocalRelaySection = z
  .strictObject({
    enabled: z.boolean().default(false),
    host: z.string().default('127.0.0.1'),
    port: number.pipe(z.int().min(0).max(65_535)).default(8080),
    /** Token to log in with; required unless `host` is a loopback address. */
    token: z.string().min(1).optional(),
    /** Token of viewers that may watch, and stop the robot, but send no other command. */
    watch_token: z.string().min(1).optional(),
    /** HTTPS on `port`; HTTP then from this machine only. */
    https: z.boolean().default(false),
    /** PEM files; without them the relay makes its own certificate. */
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    /** Public names of this relay; pages under local names and addresses are accepted without. */
    hosts: z.array(z.string().min(1)).default([]),
    /** Announces the page in the local network, unless `host` is a loopback address. */
    discovery: z.boolean().default(true),
    /** Further robots, id: secret. The robot of section `cloud` is accepted without. */
    devices: z.record(z.string(), z.string()).default({}),
    /** STUN and TURN servers for both sides. */
    ice_servers: z.array(z.unknown()).default([]),
    dogs: z.array(Dog).default([{ dog_id: 'demo-dog', name: 'Rex' }]),
    /** One app at a time, as with the relay in the cloud: a second one supersedes the first. */
    single_app: z.boolean().default(false),
  })
  .refine(({ host, token }) => isLoopback(host) || token !== undefined, {
    path: ['token'],
    error: 'required when local_relay.host is reachable from other machines: it grants video and commands',
  })
  .refine(({ token, watch_token }) => watch_token === undefined || token !== undefined, {
    path: ['watch_token'],
    error: 'needs local_relay.token as well: without it every client may send commands',
  })
  .refine(({ token, watch_token }) => watch_token === undefined || token !== watch_token, {
    path: ['watch_token'],
    error: 'must not be the same as local_relay.token',
  })
  .refine(
    ({ https, cert, key }) => (cert === undefined) === (key === undefined) && (https || cert === undefined),
    {
      path: ['cert'],
      error: 'local_relay.cert and local_relay.key belong together, with local_relay.https: true',
    },
  )
  .prefault({})
export type LocalRelaySection = z.infer<typeof LocalRelaySection>

export const config = { local_relay: LocalRelaySection, cloud: CloudIdentity, data_dir: DataDir }

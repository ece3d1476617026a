import { parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError } from '#lib/config-error.ts'
import { readConfiguredFile } from '#lib/configured-file.ts'
import { isPasswordHash } from './password-hash.ts'
import { isFilter } from './topic-filter.ts'

const filters = z
  .array(z.string().refine(isFilter, 'no topic filter: + and # fill a level of their own, # the last one'))
  .max(200)
  .default([])

const Rules = z.strictObject({ publish: filters, subscribe: filters })

const User = Rules.extend({
  password: z
    .string()
    .refine(isPasswordHash, 'not a hash: npm run broker:password makes one of your password')
    .optional(),
  client_ids: z.array(z.string().min(1)).max(50).default([]),
  sessions: z.record(z.string().min(1), filters).default({}),
})

const UsersFile = z.strictObject({
  users: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a user name is a-z, 0-9, - and _'), User)
    .default({}),
  local: Rules.prefault({}),
})

/** What one kind of client may say and hear. Filters are whole, the prefix filled in. */
export interface Rules {
  publish: readonly string[]
  subscribe: readonly string[]
}

/** One user of the broker. */
export interface User extends Rules {
  name: string
  /** scrypt hash; undefined where the password is generated or that of section `bus`. */
  hash: string | undefined
  /** Further client ids of this user, one that ends in `*` means what begins so. */
  clientIds: readonly string[]
  /** Sessions that are kept from the broker's start on: filters, QoS 1, by client id. */
  sessions: ReadonlyMap<string, readonly string[]>
}

/** Everybody whom the broker knows. */
export interface Users {
  byName: ReadonlyMap<string, User>
  /** A client on this machine without credentials. */
  local: Rules
}

/** Reads `configs/broker.yaml`; `prefix` takes the place of `~`. Throws {@link ConfigError} with path and reason. */
export function readUsers(path: string, prefix: string): Users {
  const parsed = UsersFile.safeParse(readYaml(path))
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${path}: ${issue.path.join('.')} ✖ ${issue.message}`)
    throw new ConfigError(lines.join('\n'))
  }
  const { users, local } = parsed.data
  const wholeOf = (some: readonly string[]) => some.map((filter) => filter.replace(/^~(?=\/)/, prefix))
  const whole = ({ publish, subscribe }: Rules) => ({
    publish: wholeOf(publish),
    subscribe: wholeOf(subscribe),
  })
  const byName = new Map(
    Object.entries(users).map(([name, { password: hash, client_ids: clientIds, sessions, ...rules }]) => [
      name,
      {
        ...{ name, hash, clientIds, ...whole(rules) },
        sessions: new Map(Object.entries(sessions).map(([id, some]) => [id, wholeOf(some)])),
      },
    ]),
  )
  return { byName, local: whole(local) }
}

/** Only the first line of the parser's message is told: the rest shows the file, and so its hashes. */
function readYaml(path: string): unknown {
  const document = parseDocument(readConfiguredFile('broker.users_file:', path).toString())
  const problem = document.errors[0]
  if (problem) throw new ConfigError(`${path}: ${problem.message.split('\n')[0]?.replace(/:$/, '')}`)
  return document.toJS() ?? {}
}

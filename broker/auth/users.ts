import { z } from 'zod'
import { ConfigError } from '#lib/config-error.ts'
import { describeProblems, parseWithProblems } from '#lib/config-problems/section-problems.ts'
import { YamlFile } from '#lib/config-problems/yaml-file.ts'
import { readConfiguredFile } from '#lib/configured-file.ts'
import { isFilter } from '../protocol/topics.ts'
import { isPasswordHash } from './password-hash.ts'

const filters = z
  .array(z.string().refine(isFilter, 'invalid topic filter: + and # occupy a whole level, # the last one'))
  .max(200)
  .default([])

const Rules = z.strictObject({ publish: filters, subscribe: filters })

const User = Rules.extend({
  password: z
    .string()
    .refine(isPasswordHash, 'not a password hash: create one with npm run broker:password')
    .optional(),
  client_ids: z.array(z.string().min(1)).max(50).default([]),
  sessions: z.record(z.string().min(1), filters).default({}),
})

const UsersFile = z.strictObject({
  users: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a user name consists of a-z, 0-9, - and _'), User)
    .default({}),
  local: Rules.prefault({}),
})

/** Rights of a client, as topic filters with the prefix filled in. */
export interface Rules {
  publish: readonly string[]
  subscribe: readonly string[]
}

/** One user of the broker. */
export interface User extends Rules {
  name: string
  /** scrypt hash; undefined if the password is generated or the one of section `bus`. */
  hash: string | undefined
  /** Additional client ids of this user; a trailing `*` matches any suffix. */
  clientIds: readonly string[]
  /** Sessions that exist from the start of the broker: filters (QoS 1) by client id. */
  sessions: ReadonlyMap<string, readonly string[]>
}

/** The content of the users file. */
export interface Users {
  byName: ReadonlyMap<string, User>
  /** Rights of a client on this machine without a user name. */
  local: Rules
}

/** As the last level of a filter: one filter for each of `controls`. */
const CONTROLS_LEVEL = '/@controls'

/**
 * Reads the users file, by default `configs/broker.yaml`; `~` stands for `prefix`, `@controls` for each of `controls`.
 * Throws {@link ConfigError} with path and reason.
 */
export function readUsers(path: string, prefix: string, controls: readonly string[] = []): Users {
  const yaml = new YamlFile(path, readConfiguredFile('broker.users_file:', path).toString())
  const { data, problems } = parseWithProblems(UsersFile, yaml.content() ?? {})
  if (!data) throw new ConfigError(describeProblems(yaml, problems).join('\n'))
  const { users, local } = data
  const expand = (some: readonly string[]) =>
    some
      .map((filter) => filter.replace(/^~(?=\/)/, prefix))
      .flatMap((filter) => {
        if (!filter.endsWith(CONTROLS_LEVEL)) return filter
        return controls.map((control) => `${filter.slice(0, -CONTROLS_LEVEL.length)}/${control}`)
      })
  const expandRules = ({ publish, subscribe }: Rules) => ({
    publish: expand(publish),
    subscribe: expand(subscribe),
  })
  const byName = new Map(
    Object.entries(users).map(([name, { password: hash, client_ids: clientIds, sessions, ...rules }]) => [
      name,
      {
        name,
        hash,
        clientIds,
        ...expandRules(rules),
        sessions: new Map(
          Object.entries(sessions).map(([id, some]) => [id.replaceAll('~', prefix), expand(some)]),
        ),
      },
    ]),
  )
  return { byName, local: expandRules(local) }
}

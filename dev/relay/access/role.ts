import type { IncomingMessage } from 'node:http'

/** What a client may do. `watch`: video and events, and no command but stop. */
export type Role = 'drive' | 'watch'

/** Tokens by role; without one for `drive` every client drives. */
export type Tokens = Readonly<Record<Role, string | undefined>>

/** What access is decided by. */
export type Request = Pick<IncomingMessage, 'headers' | 'socket'>

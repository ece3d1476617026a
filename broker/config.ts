import { z } from 'zod'
import { isLoopback } from '#lib/loopback.ts'

const port = z.coerce.number<number | string>().pipe(z.int().min(0).max(65_535))

/** `broker`: our own broker. `enabled: false` with `bus.url` uses somebody else's. */
export const BrokerSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    /** Without users there is no way in but this machine. */
    host: z
      .string()
      .refine(isLoopback, 'only a loopback address: the broker has no users yet that could be told apart')
      .default('127.0.0.1'),
    port: port.default(1883),
    ws_port: z
      .null('a WebSocket listener needs users, which the broker does not have yet: leave it null')
      .default(null),
  })
  .prefault({})
export type BrokerSection = z.infer<typeof BrokerSection>

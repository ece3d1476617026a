import { z } from 'zod'

const port = z.coerce.number<number | string>().pipe(z.int().min(0).max(65_535))

/** `broker`: our own broker. `enabled: false` with `bus.url` uses somebody else's. */
export const BrokerSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    host: z.string().default('127.0.0.1'),
    port: port.default(1883),
    ws_port: port.nullable().default(null),
  })
  .prefault({})
export type BrokerSection = z.infer<typeof BrokerSection>

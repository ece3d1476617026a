import { tmpdir } from 'node:os'
import { BrokerSection } from '#broker/config.ts'
import { type RunningBroker, startBroker } from '#broker/index.ts'
import type { BackpressureLimits } from '#broker/limits/backpressure.ts'
import { BusSection } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'

/** Our broker on a port of 127.0.0.1, any that is free unless named, where every client may do everything. */
export function startOpenBroker(
  log: Logger,
  { port = 0, backpressure }: { port?: number; backpressure?: BackpressureLimits } = {},
): Promise<RunningBroker> {
  const broker = BrokerSection.parse({ port, users_file: 'test/helpers/open-access.yaml' })
  const config = { broker, bus: BusSection.parse({}), data_dir: tmpdir() }
  return startBroker({ config, log, ...(backpressure ? { backpressure } : {}) })
}

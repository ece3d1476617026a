import { z } from 'zod'
import { BusSection } from '#lib/config-schema.ts'

/** `simulator`: a treat dispenser and motors that exist in the demo only. */
export const SimulatorSection = z.strictObject({ enabled: z.boolean().default(false) }).prefault({})

export const config = { simulator: SimulatorSection, bus: BusSection }

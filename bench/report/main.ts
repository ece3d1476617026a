import { writeReport } from './document.ts'

/** `npm run bench:report`: renders docs/performance.md and docs/plots again from `bench/results/`, without a measurement. */
writeReport()

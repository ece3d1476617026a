import { Counter, type Registry } from './prometheus.ts'

interface CauseCounter {
  name: string
  help: string
  registers: Registry[]
  /** Sums since the start, by cause; read for each scrape. */
  totals: Readonly<Record<string, number>>
}

/** Offers sums that are counted elsewhere as a metric with the label `cause`. */
export function addCauseCounter({ name, help, registers, totals }: CauseCounter): void {
  new Counter({
    name,
    help,
    labelNames: ['cause'],
    registers,
    collect() {
      this.reset()
      for (const [cause, n] of Object.entries(totals)) this.inc({ cause }, n)
    },
  })
}

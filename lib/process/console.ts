import { createRequire } from 'node:module'
import type * as PinoPretty from 'pino-pretty'

/** Writes log lines to stdout: formatted on a terminal, as JSON lines otherwise. */
export function openConsole(): { write(line: string): void } {
  if (!process.stdout.isTTY) return { write: (line) => void process.stdout.write(line) }
  // services write to a pipe and do not load it
  const { build }: typeof PinoPretty = createRequire(import.meta.url)('pino-pretty')
  return build({
    destination: process.stdout,
    ignore: 'pid,hostname,service',
    messageFormat: '{service}: {msg}',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
}

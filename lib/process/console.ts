import { build } from 'pino-pretty'

/** Writes log lines to stdout: formatted on a terminal, as JSON lines otherwise. */
export function openConsole(): { write(line: string): void } {
  if (!process.stdout.isTTY) return { write: (line) => void process.stdout.write(line) }
  return build({
    destination: process.stdout,
    ignore: 'pid,hostname,service',
    messageFormat: '{service}: {msg}',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
}

import { build } from 'pino-pretty'

/** Where log lines go: readable on a terminal, as they are anywhere else. */
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

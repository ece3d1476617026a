import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { hashPassword } from './password-hash.ts'

/** `npm run broker:password`: reads a password without echo and prints the line for configs/broker.yaml. */
async function main(): Promise<void> {
  const silent = new Writable({ write: (_text, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: process.stdin.isTTY })
  if (process.stdin.isTTY) process.stderr.write('Password: ')
  const { value: password } = await lines[Symbol.asyncIterator]().next()
  lines.close()
  if (process.stdin.isTTY) process.stderr.write('\n')
  if (!password) {
    process.stderr.write('no password: type one, or pass it on stdin\n')
    process.exitCode = 1
    return
  }
  process.stdout.write(`password: "${await hashPassword(password)}"\n`)
}

await main()

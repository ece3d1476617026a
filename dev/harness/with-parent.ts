/**
 * A command that the kernel sends `signal` when this process ends, however it ends: `spawn(...withParent('mosquitto_sub', args))`. A child
 * that is stopped (SIGSTOP) gets no other end, since it neither reads a closed pipe nor handles SIGTERM. prctl(2), PR_SET_PDEATHSIG,
 * by setpriv(1), which executes the program in its place and so keeps the process id.
 */
export function withParent(
  program: string,
  args: readonly string[],
  signal: 'KILL' | 'TERM' = 'KILL',
): [program: string, args: string[]] {
  return ['setpriv', ['--pdeathsig', signal, '--', program, ...args]]
}

/** How many rounds a long test makes: fewer for a merge, all of them at night (`WIMZ_TEST_FULL=1`). */
export function rounds({ merge, night }: { merge: number; night: number }): number {
  return process.env.WIMZ_TEST_FULL === '1' ? night : merge
}

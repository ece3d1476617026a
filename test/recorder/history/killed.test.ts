import { test } from 'node:test'
import { killAgainAndAgain } from './killed.ts'

test('a history that is killed while it is written loses nothing that was written', async (t) => {
  await killAgainAndAgain(t, 5)
})

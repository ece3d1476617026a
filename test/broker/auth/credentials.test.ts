import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Credentials } from '#broker/auth/credentials.ts'
import type { User } from '#broker/auth/users.ts'

test('the password of an unknown user is compared with a hash, as that of a known one', async () => {
  const hash = `$scrypt$ln=10,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
  for (const user of [{ name: 'robot', hash } as User, undefined]) {
    const credentials = new Credentials(() => undefined)
    const checks = Array.from({ length: 2 }, () => credentials.check(user, Buffer.from('wrong')))
    // the next tick of the event loop comes before a computation in the thread pool ends, and after an immediate answer
    let answered = 0
    for (const check of checks) void check.then(() => answered++)
    await new Promise((resolve) => process.nextTick(resolve))
    await Promise.resolve()
    assert.equal(answered, 0)
    assert.deepEqual(await Promise.all(checks), ['invalid', 'invalid'])
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoginThrottle, networkOf, throttleKeys } from '#lib/http/login-throttle.ts'

test('throttled addresses are bounded in memory, and the delay doubles with each wrong password', () => {
  let now = 0
  const throttle = new LoginThrottle(() => now)
  const [waits, key]: [number[], string] = [[], throttleKeys('10.0.0.1', 'vision')[0] ?? '']
  for (let i = 0; i < 14; i++) {
    throttle.failed(key)
    waits.push(throttle.delay(key))
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 6e4, 6e4, 6e4, 6e4])
  now += 60_000
  assert.equal(throttle.delay(key), 0)
  for (let i = 0; i < 5_000; i++) throttle.failed(`10.1.${i >> 8}.${i & 255}`)
  throttle.failed(key)
  assert.equal(throttle.delay(key), 0, 'it was evicted by later addresses')
})

test('IPv6 addresses of one /64 count as one', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8::6'), '2001:db8:0:0::/64')
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('192.168.1.5'), '192.168.1.5')
})

test('the parts of an IPv6 address are found wherever its zeros are left out', () => {
  assert.equal(networkOf('1::2'), '1:0:0:0::/64')
  assert.equal(networkOf('1:2:3::4:5'), '1:2:3:0::/64')
  assert.equal(networkOf('1::2:3:4:5:6'), '1:0:0:2::/64')
  assert.equal(networkOf('::1:2:3:4:5:6'), '0:0:1:2::/64')
  assert.equal(networkOf('1:2:3:4:5:6:7::'), '1:2:3:4::/64')
  assert.equal(networkOf('::'), '0:0:0:0::/64')
})

test('a failed login counts for the address and for the user there', () => {
  const user = 'u'.repeat(65)
  assert.deepEqual(throttleKeys('10.0.0.1', user), ['10.0.0.1', `10.0.0.1 ${'u'.repeat(64)}`])
})

test('failures are forgotten after a successful login, or ten minutes', () => {
  let now = 1e9
  const throttle = new LoginThrottle(() => now)
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) throttle.failed('a')
    return throttle.delay('a')
  }
  assert.deepEqual([fail(4), fail(1)], [0, 1_000])
  throttle.succeeded('a')
  assert.deepEqual([throttle.delay('a'), fail(4)], [0, 0])
  now += 10 * 60_000 - 1
  assert.equal(fail(1), 1_000)
  now += 10 * 60_000
  assert.deepEqual([fail(1), fail(3)], [0, 0])
})

test('a delay ends a minute after the last failure, however many there were', () => {
  let now = 0
  const throttle = new LoginThrottle(() => now)
  for (let i = 0; i < 2_000; i++) throttle.failed('a')
  assert.equal(throttle.delay('a'), 60_000)
  now += 59_999
  assert.equal(throttle.delay('a'), 1)
  now += 2
  assert.equal(throttle.delay('a'), 0)
})

test('1 000 addresses are remembered; the one whose failure is oldest is forgotten first', () => {
  const throttle = new LoginThrottle(() => 0)
  const fail = (key: string, times = 5) => {
    for (let i = 0; i < times; i++) throttle.failed(key)
  }
  fail('first')
  fail('second')
  for (let i = 0; i < 998; i++) throttle.failed(`${i}`)
  fail('first', 1)
  throttle.failed('one more')
  assert.deepEqual([throttle.delay('first') > 0, throttle.delay('second')], [true, 0])
})

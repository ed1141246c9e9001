import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import t from 'tap'
import type { Test } from 'tap'
import { createAuthenticator } from '../../src/auth/authenticator.ts'
import type { PasswordChecker } from '../../src/auth/bcrypt-queue.ts'
import { createBcryptQueue } from '../../src/auth/bcrypt-queue.ts'
import { costOf } from '../../src/auth/htpasswd.ts'

const EVE = `eve:${hashSync('secret', 4)}\n`
const ADAM = `adam:${hashSync('apple', 5)}\n`
const HERE = '192.0.2.1'

interface Check {
  readonly password: string
  readonly hash: string
}

/** An authenticator over a real file and the real worker, with a record of what was checked and how long it waited. */
function start(t: Test, text = EVE + ADAM, options: { loginQueue?: number; advance?: number } = {}) {
  const path = join(t.testdir(), 'htpasswd')
  writeFileSync(path, text, { mode: 0o600 })
  const queue = createBcryptQueue({ limit: options.loginQueue ?? 64, workers: 1 })
  const checks: Check[] = []
  const checker: PasswordChecker = {
    check(password, hash, source) {
      checks.push({ password, hash })
      return queue.check(password, hash, source)
    },
    close: () => queue.close(),
  }
  const waits: number[] = []
  let ahead = 0
  const authenticator = createAuthenticator({
    path,
    realm: 'Tarn',
    clock: () => Date.now() + ahead,
    random: randomBytes,
    logger: { warn: () => undefined, error: () => undefined },
    checker,
    wait: async (milliseconds) => waits.push(milliseconds),
  })
  t.teardown(() => authenticator.close())
  return { path, authenticator, checks, waits, pass: (milliseconds: number) => (ahead += milliseconds) }
}

t.test('lets the right password in and nothing else', async (t) => {
  const { authenticator } = start(t)
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  t.equal(await authenticator.verify('eve', 'apple', HERE), false)
  t.equal(await authenticator.verify('Eve', 'secret', HERE), false)
  t.equal(await authenticator.verify('eve', '', HERE), false)
  t.equal(await authenticator.verify('', 'secret', HERE), false)
  t.equal(authenticator.realm, 'Tarn')
})

t.test('checks a right login once and recalls it for five minutes', async (t) => {
  const { authenticator, checks, pass } = start(t)
  t.equal(authenticator.recall('eve', 'secret'), false)
  for (let i = 0; i < 5; i += 1) t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  t.equal(checks.length, 1)
  t.equal(authenticator.recall('eve', 'secret'), true)
  t.equal(authenticator.recall('eve', 'Secret'), false)
  pass(300_000)
  t.equal(authenticator.recall('eve', 'secret'), false)
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  t.equal(checks.length, 2)
})

t.test('does not remember failures', async (t) => {
  const { authenticator, checks } = start(t)
  for (let i = 0; i < 3; i += 1) t.equal(await authenticator.verify('eve', 'wrong', HERE), false)
  t.equal(checks.length, 3)
})

t.test('runs one check for all who send the same login at the same time', async (t) => {
  const { authenticator, checks } = start(t)
  const answers = await Promise.all(Array.from({ length: 100 }, () => authenticator.verify('eve', 'secret', HERE)))
  t.ok(answers.every((answer) => answer))
  t.equal(checks.length, 1)
})

t.test('a removed user is out at the next request, though the login was recalled a moment ago', async (t) => {
  const { authenticator, path } = start(t)
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  writeFileSync(path, ADAM)
  t.equal(authenticator.recall('eve', 'secret'), false)
  t.equal(await authenticator.verify('eve', 'secret', HERE), false)
  t.equal(await authenticator.verify('adam', 'apple', HERE), true)
})

t.test('a changed password is wanted at the next request', async (t) => {
  const { authenticator, path } = start(t)
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  writeFileSync(path, `eve:${hashSync('better', 4)}\n`)
  t.equal(await authenticator.verify('eve', 'secret', HERE), false)
  t.equal(await authenticator.verify('eve', 'better', HERE), true)
})

for (const [what, text] of Object.entries({
  'is removed': ADAM,
  'has a new password': `eve:${hashSync('better', 4)}\n`,
})) {
  t.test(`a user who ${what} while the check runs is not let in`, async (t) => {
    const { authenticator, path, checks } = start(t)
    const answer = authenticator.verify('eve', 'secret', HERE)
    // The answer of the thread cannot come before the event loop turns.
    while (checks.length === 0) await Promise.resolve()
    writeFileSync(path, text)
    t.equal(await answer, false)
    t.equal(authenticator.recall('eve', 'secret'), false)
  })
}

t.test('a password that bcrypt would cut short lets nobody in, whatever stands in for it', async (t) => {
  const { authenticator } = start(t, `eve:${hashSync('impossible', 4)}\n`)
  t.equal(await authenticator.verify('eve', 'x'.repeat(73), HERE), false)
  t.equal(await authenticator.verify('eve', 'impossible', HERE), true)
})

t.test('nobody gets in when the file is gone', async (t) => {
  const { authenticator, path } = start(t)
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  rmSync(path)
  t.equal(await authenticator.verify('eve', 'secret', HERE), false)
})

t.test('an unknown user costs a check of the same password at the highest cost of the file', async (t) => {
  const { authenticator, checks } = start(t)
  t.equal(await authenticator.verify('nobody', 'secret', HERE), false)
  t.equal(await authenticator.verify('__proto__', 'secret', HERE), false)
  t.equal(await authenticator.verify('constructor', 'secret', HERE), false)
  t.equal(checks.length, 3)
  for (const { password, hash } of checks) {
    t.equal(password, 'secret')
    t.equal(costOf(hash), 5)
  }
})

t.test('without users an unknown one costs a check at cost 10', async (t) => {
  const { authenticator, checks } = start(t, '# nobody yet\n')
  t.equal(await authenticator.verify('nobody', 'secret', HERE), false)
  t.same(
    checks.map(({ hash }) => costOf(hash)),
    [10],
  )
})

t.test('a password of more than 72 bytes or with NUL is refused after a check of the same cost', async (t) => {
  const long = 'x'.repeat(72)
  const { authenticator, checks } = start(t, `eve:${hashSync(long, 4)}\nadam:${hashSync('apple', 4)}\n`)
  t.equal(await authenticator.verify('eve', long, HERE), true)
  t.equal(await authenticator.verify('eve', `${long}y`, HERE), false)
  t.equal(await authenticator.verify('eve', 'é'.repeat(37), HERE), false)
  t.equal(await authenticator.verify('adam', 'apple\0', HERE), false)
  t.equal(checks.length, 4)
  for (const { hash } of checks) t.equal(costOf(hash), 4)
})

t.test('guessing gets slower, for known and unknown users alike, and a right login still gets in', async (t) => {
  for (const user of ['eve', 'nobody']) {
    const { authenticator, waits } = start(t)
    for (let i = 0; i < 12; i += 1) t.equal(await authenticator.verify(user, `guess${i}`, HERE), false)
    t.same(waits, [100, 200, 400, 800, 1600, 2000, 2000, 2000], user)
    t.equal(await authenticator.verify('eve', 'secret', HERE), true)
    t.equal(await authenticator.verify('adam', 'apple', '192.0.2.2'), true)
  }
})

t.test('a right login from elsewhere does not wait for the guesses of a stranger', async (t) => {
  const { authenticator, waits } = start(t)
  for (let i = 0; i < 12; i += 1) await authenticator.verify('eve', `guess${i}`, HERE)
  waits.splice(0)
  t.equal(await authenticator.verify('eve', 'secret', '192.0.2.2'), true)
  t.same(waits, [])
})

t.test('a full queue is 429 and the logins that were checked before still get in', async (t) => {
  const { authenticator } = start(t, EVE + ADAM, { loginQueue: 2 })
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  const held = [authenticator.verify('a', '1', '192.0.2.2'), authenticator.verify('b', '2', '192.0.2.3')]
  await t.rejects(authenticator.verify('adam', 'apple', '192.0.2.4'), { code: 'TOOMANYREQUESTS', status: 429 })
  t.equal(await authenticator.verify('eve', 'secret', HERE), true)
  await Promise.all(held)
})

t.test('closing fails a login that waits', async (t) => {
  const path = join(t.testdir(), 'htpasswd')
  writeFileSync(path, EVE, { mode: 0o600 })
  const authenticator = createAuthenticator({
    path,
    realm: 'Tarn',
    clock: Date.now,
    random: randomBytes,
    logger: { warn: () => undefined, error: () => undefined },
  })
  for (let i = 0; i < 5; i += 1) await authenticator.verify('eve', `guess${i}`, HERE)
  const waiting = authenticator.verify('eve', 'secret', HERE)
  const rejected = t.rejects(waiting, { code: 'UNAVAILABLE' })
  await authenticator.close()
  await rejected
})

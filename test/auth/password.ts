import { randomBytes } from 'node:crypto'
import { compareSync } from 'bcryptjs'
import t from 'tap'
import { hashPassword, isPassword, isUserName, makePassword, parseUserName } from '../../src/auth/password.ts'
import { costOf } from '../../src/auth/htpasswd.ts'

t.test('makes hashes of cost 10 that the password fits', async (t) => {
  const hash = await hashPassword('sécret')
  t.equal(costOf(hash), 10)
  t.ok(compareSync('sécret', hash))
  t.notOk(compareSync('secret', hash))
})

t.test('refuses what bcrypt would cut short, counted in bytes', async (t) => {
  t.ok(isPassword('x'.repeat(72)))
  t.ok(isPassword('é'.repeat(36)))
  for (const password of ['', 'x'.repeat(73), 'é'.repeat(37), 'a\0']) {
    t.notOk(isPassword(password))
    await t.rejects(hashPassword(password), { message: /cannot be used/, exitCode: 2, hint: /72 bytes/ })
  }
})

t.test('takes names that a Basic login can carry', (t) => {
  for (const name of ['david', '__proto__', 'a b', 'müller', 'a@b.example', 'x'.repeat(255)])
    t.ok(isUserName(name), name)
  for (const name of ['', ' a', 'a ', 'a:b', '#a', 'a\n', 'a\0b', 'a\u0085b', 'x'.repeat(256)])
    t.notOk(isUserName(name))
  t.throws(() => parseUserName('a:b'), /cannot be the name of a user/)
  t.end()
})

t.test('makes passwords of 24 characters, each of 32, without bias', (t) => {
  t.match(makePassword(randomBytes), /^[a-km-np-z2-9]{24}$/)
  const all = new Set(makePassword(() => Uint8Array.from({ length: 256 }, (_, index) => index)))
  t.equal(all.size, 32)
  t.notOk(all.has('l') || all.has('o') || all.has('0') || all.has('1'))
  t.end()
})

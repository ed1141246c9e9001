import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createLoginCache } from '../../src/auth/login-cache.ts'

function make(options: { capacity?: number; lifetime?: number } = {}) {
  let now = 1_000_000
  const cache = createLoginCache({ clock: () => now, random: randomBytes, ...options })
  return { cache, pass: (milliseconds: number) => (now += milliseconds) }
}

t.test('knows a login until its lifetime is over', (t) => {
  const { cache, pass } = make()
  const key = cache.keyOf('a', 'b', 'c')
  t.notOk(cache.has(key))
  cache.add(key)
  pass(299_999)
  t.ok(cache.has(key))
  pass(1)
  t.notOk(cache.has(key))
  t.end()
})

t.test('forgets a login when the clock is set back', (t) => {
  const { cache, pass } = make()
  const key = cache.keyOf('a', 'b', 'c')
  cache.add(key)
  pass(-1)
  t.notOk(cache.has(key))
  t.end()
})

t.test('has another key for every other user, password, hash and split of the same letters', (t) => {
  const { cache } = make()
  const keys = [
    cache.keyOf('ab', 'c', 'd'),
    cache.keyOf('a', 'bc', 'd'),
    cache.keyOf('a', 'b', 'cd'),
    cache.keyOf('abc', '', 'd'),
    cache.keyOf('', 'abc', 'd'),
    cache.keyOf('a', '1:bc', 'd'),
    cache.keyOf('a1:b', 'c', 'd'),
  ]
  t.equal(new Set(keys).size, keys.length)
  t.equal(cache.keyOf('ab', 'c', 'd'), keys[0])
  t.not(make().cache.keyOf('ab', 'c', 'd'), keys[0], 'another process has other keys')
  t.end()
})

t.test('drops the login that was not used for longest when it is full', (t) => {
  const { cache } = make({ capacity: 2 })
  cache.add('one')
  cache.add('two')
  t.ok(cache.has('one'))
  cache.add('three')
  t.ok(cache.has('one'))
  t.notOk(cache.has('two'))
  t.ok(cache.has('three'))
  t.end()
})

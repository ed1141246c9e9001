import t from 'tap'
import { costOf, parseHtpasswd, removeUser, setUser } from '../../src/auth/htpasswd.ts'

// Made by Apache's `htpasswd -nbB -C 5 david david` (2.4.66), and its other kinds for the same password.
const BCRYPT = '$2y$05$LTYmKvxyYqEkzW2y4BeF1OrqKjfw4Epk.brrAKOYiGkW720.J.4QS'
const MD5 = '$apr1$w2UZ4Zjg$y/Xihn5siUffFCYiq2jZY0'
const SHA = '{SHA}qnQ6Cq7I99eh8BRCUDlX9Nei1jQ='
const CRYPT = 'tH89cIkcvE8i.'

t.test('takes the bcrypt line of htpasswd -B', (t) => {
  const { users, highestCost, refused } = parseHtpasswd(`david:${BCRYPT}\n`)
  t.equal(users.get('david'), BCRYPT)
  t.equal(highestCost, 5)
  t.same(refused, [])
  t.end()
})

t.test('refuses every other kind of hash and names user and line, never the hash', (t) => {
  const text = ['# users', `a:${MD5}`, '', `b:${SHA}`, `c:${CRYPT}`, 'd:david', `e:${BCRYPT.slice(0, -1)}`].join('\n')
  const { users, refused } = parseHtpasswd(text)
  t.equal(users.size, 0)
  t.same(
    refused.map(({ line, user }) => [line, user]),
    [
      [2, 'a'],
      [4, 'b'],
      [5, 'c'],
      [6, 'd'],
      [7, 'e'],
    ],
  )
  for (const secret of [MD5, SHA, CRYPT, BCRYPT.slice(0, -1)]) t.notOk(JSON.stringify(refused).includes(secret))
  t.end()
})

t.test('takes costs 4 to 15 and the prefixes 2a, 2b and 2y only', (t) => {
  const rest = BCRYPT.slice(6)
  for (const head of ['$2a$04$', '$2b$10$', '$2y$15$']) t.type(costOf(head + rest.slice(1)), 'number', head)
  for (const head of ['$2a$03$', '$2b$16$', '$2x$10$', '$2$10$', '$2y$1$'])
    t.equal(costOf(head + rest.slice(1)), undefined, head)
  t.end()
})

t.test('does not care for blanks around a line, CRLF and a byte order mark', (t) => {
  const { users, refused } = parseHtpasswd(`\uFEFFa:${BCRYPT}\r\n  b:${BCRYPT}  \r\n`)
  t.same([...users.keys()], ['a', 'b'])
  t.same(refused, [])
  t.end()
})

t.test('takes __proto__ and constructor for names like any other', (t) => {
  const { users } = parseHtpasswd(`__proto__:${BCRYPT}\n`)
  t.equal(users.get('__proto__'), BCRYPT)
  t.equal(users.get('constructor'), undefined)
  t.equal(users.get('toString'), undefined)
  t.end()
})

t.test('names a line without a colon by its number', (t) => {
  t.match(parseHtpasswd(`a:${BCRYPT}\nnonsense\n:${BCRYPT}\n`).refused, [
    { line: 2, user: undefined },
    { line: 3, user: undefined },
  ])
  t.end()
})

t.test('lets the later of two lines for one user count, even when it is no good', (t) => {
  const other = BCRYPT.replace('$05$', '$06$')
  t.equal(parseHtpasswd(`a:${BCRYPT}\na:${other}\n`).users.get('a'), other)
  t.equal(parseHtpasswd(`a:${BCRYPT}\na:${SHA}\n`).users.get('a'), undefined)
  t.end()
})

t.test('sets a user and keeps comments, order and other lines', (t) => {
  const text = `# team one\na:${BCRYPT}\n\nb:${MD5}\na:${BCRYPT}\n# end\n`
  t.equal(setUser(text, 'a', 'NEW'), `# team one\n\nb:${MD5}\na:NEW\n# end\n`)
  t.equal(setUser(text, 'c', 'NEW'), `${text}c:NEW\n`)
  t.equal(setUser('a:x', 'c', 'NEW'), 'a:x\nc:NEW\n')
  t.equal(setUser('', 'c', 'NEW'), 'c:NEW\n')
  t.end()
})

t.test('removes all lines of a user and nothing else', (t) => {
  t.equal(removeUser(`# a:\na:x\nab:y\na:z\n`, 'a'), '# a:\nab:y\n')
  t.equal(removeUser('a:x\n', 'b'), undefined)
  t.end()
})

import { PassThrough } from 'node:stream'
import t from 'tap'
import { askPassword, readPassword } from '../../src/cli/password-input.ts'

function make() {
  const stdin = new PassThrough()
  const stderr = new PassThrough()
  let shown = ''
  stderr.on('data', (part) => (shown += String(part)))
  /** Types a line as soon as the prompt for it is there. */
  const type = (...lines: string[]): void => {
    stderr.on('data', (part) => {
      if (String(part).includes('Password')) stdin.write(lines.shift() ?? '')
    })
  }
  return { stdin, stderr, shown: () => shown, type }
}

t.test('asks twice and shows nothing of what is typed', async (t) => {
  const { stdin, stderr, shown, type } = make()
  type('sec\u007Fcret\r', 'secret\r')
  t.equal(await askPassword({ stdin, stderr }), 'secret')
  t.equal(shown(), 'Password: \nPassword again: \n')
})

t.test('refuses two that differ, and one that is broken off', async (t) => {
  const differ = make()
  differ.type('one\r', 'two\r')
  await t.rejects(askPassword(differ), /differ/)
  const broken = make()
  broken.type('one\u0003')
  await t.rejects(askPassword(broken), /no password was given/)
})

t.test('takes the first line of stdin, with or without its end', async (t) => {
  for (const [input, expected] of [
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\nmore\n', 'secret'],
    [' blanks count \n', ' blanks count '],
  ] as const) {
    const { stdin } = make()
    stdin.end(input)
    t.equal(await readPassword({ stdin }), expected)
  }
  const { stdin } = make()
  stdin.end('\n')
  await t.rejects(readPassword({ stdin }), { message: /no password on stdin/, exitCode: 2 })
})

t.test('does not wait for the end of an input that is longer than any password', async (t) => {
  const { stdin } = make()
  stdin.write('x'.repeat(10_000))
  t.equal((await readPassword({ stdin })).length, 10_000)
})

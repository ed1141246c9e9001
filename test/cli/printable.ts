import t from 'tap'
import { printable, printableLines } from '../../src/cli/printable.ts'

t.test('every control character and every turn of direction becomes words', (t) => {
  const ranges = [
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0x202a, 0x202e],
    [0x2066, 0x2069],
  ] as const
  for (const [first, last] of ranges) {
    for (let code = first; code <= last; code += 1) {
      t.match(printable(String.fromCharCode(code)), /^\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})$/, code.toString(16))
    }
  }
  t.equal(printable('\u001b[31mred\n\u202e'), String.raw`\x1b[31mred\n\u202e`)
  t.end()
})

t.test('what is to be read stays as it is', (t) => {
  for (const text of ['', 'plain', 'Grüße 世界 🎉', 'a/b:c@sha256:0', String.raw`C:\new`])
    t.equal(printable(text), text)
  t.end()
})

t.test('a text of several lines keeps them', (t) => {
  t.equal(printableLines('a\n\tb\r\u0007'), 'a\n\tb' + String.raw`\r\x07`)
  t.end()
})

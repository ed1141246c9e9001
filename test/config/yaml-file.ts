import t from 'tap'
import { findNode } from '../../src/config/tree.ts'
import { parseYamlFile, parseYamlValue } from '../../src/config/yaml-file.ts'

t.test('a value remembers the line of its key', async (t) => {
  const root = parseYamlFile('version: 0.1\nhttp:\n  # where\n  addr: :5000\n', 'c.yml')
  t.equal(findNode(root, ['http'])?.origin, 'c.yml:2')
  t.equal(findNode(root, ['http', 'addr'])?.origin, 'c.yml:4')
})

t.test('a plain number keeps its spelling', async (t) => {
  t.match(findNode(parseYamlFile('version: 0.10\n', 'c.yml'), ['version']), { value: 0.1, text: '0.10' })
})

t.test('an empty file and a file of comments are empty sections', async (t) => {
  t.equal(parseYamlFile('', 'c.yml').entries.size, 0)
  t.equal(parseYamlFile('# nothing\n', 'c.yml').entries.size, 0)
})

t.test('anchors and merge keys are resolved, and what is written beats what is merged', async (t) => {
  const root = parseYamlFile('a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\nc: *x\n', 'c.yml')
  t.match(findNode(root, ['b', 'k']), { value: 1 })
  t.match(findNode(root, ['b', 'l']), { value: 3 })
  t.match(findNode(root, ['c', 'l']), { value: 2 })
})

const BAD: [string, string, string][] = [
  ['a duplicate key', 'a: 1\nb: 2\na: hunter2\n', 'c.yml:3: not valid YAML: duplicate key'],
  ['a tab', 'a:\n\tb: hunter2\n', 'c.yml:2: not valid YAML: tab as indent'],
  ['an unquoted IPv6 address', 'http:\n  addr: [::1]:5000\n', 'c.yml:2: not valid YAML: unexpected token'],
  ['a second document', 'a: 1\n---\nb: hunter2\n', 'c.yml:2: not valid YAML: multiple docs'],
  ['an alias of nothing', 'a: 1\nb: *hunter2\n', 'c.yml:2: not valid YAML: unknown alias'],
  ['a list', '- hunter2\n', 'c.yml:1: not a mapping'],
  ['an anchor that contains itself', 'a: &x [*x]\n', 'c.yml:1: nested too deeply'],
]
for (const [name, text, message] of BAD) {
  t.test(`${name} is refused with its line and without its text`, async (t) => {
    t.throws(() => parseYamlFile(text, 'c.yml'), { name: 'Problem', message, hint: /\w/u })
  })
}

t.test('a variable that is no YAML keeps its text', async (t) => {
  for (const text of ['@abc', '%x', '{a: b', '*x', '!foo bar']) {
    t.match(parseYamlValue(text, 'REGISTRY_X'), { kind: 'invalid', raw: text, origin: 'REGISTRY_X' })
  }
})

import t from 'tap'
import { readObjects, toYamlStream } from '../../../src/openshift/cluster/objects.ts'

t.test('objects are read as oc prints them: JSON, YAML, a List, several documents', async (t) => {
  const a = { kind: 'A', metadata: { name: 'a' } }
  const b = { kind: 'B' }
  t.same(readObjects(JSON.stringify(a), 'x'), [a])
  t.same(readObjects(JSON.stringify({ kind: 'List', items: [a, b] }), 'x'), [a, b])
  t.same(readObjects(toYamlStream([a, b]), 'x'), [a, b])
  t.same(readObjects('---\n# nothing\n---\nkind: A\n', 'x'), [{ kind: 'A' }])
  t.same(readObjects('', 'x'), [])
})

t.test('what is neither is refused without a word of it, and an alias bomb too', async (t) => {
  for (const text of ['secret', '[1]', '{"a": "secret"', 'a: [secret', 'a: *secret']) {
    try {
      readObjects(text, 'the file')
      t.fail(text)
    } catch (error) {
      t.match((error as Error).message, 'the file', text)
      t.notMatch((error as Error).message, 'secret', text)
    }
  }
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x,x]',
    ...['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((key, index) => {
      const before = 'abcdefgh'[index]
      return `${key}: &${key} [*${before},*${before},*${before},*${before},*${before},*${before},*${before},*${before},*${before},*${before}]`
    }),
  ].join('\n')
  t.throws(() => readObjects(bomb, 'the file'), { name: 'Problem' })
})

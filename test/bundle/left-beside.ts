import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { findLeftBeside } from '../../src/bundle/left-beside.ts'

t.test('what an earlier bundle of this name left is told, and nothing of anybody else', (t) => {
  const directory = t.testdir()
  const left = ['march.part-0001-of-0003.tar', 'march.part-0002-of-0003.tar.partial', 'march.tar.sig', 'march.tar.zst']
  const own = ['march.part-0001-of-0002.tar', 'march.part-0002-of-0002.tar']
  const others = [
    'march',
    'march-2.tar',
    'march.part-1.tar',
    'march.tar.gz',
    'april.part-0001-of-0003.tar',
    'SHA256SUMS',
  ]
  for (const name of [...left, ...own, ...others]) writeFileSync(join(directory, name), '')
  const find = (path: string, isSigned: boolean): string[] =>
    findLeftBeside(
      join(directory, path),
      own.map((name) => join(directory, name)),
      isSigned,
    ).map((file) => basename(file))
  t.same(find('march.tar', false), left)
  t.same(
    find('march.tar.zst', true),
    left.filter((name) => !name.endsWith('.sig')),
  )
  t.same(find('april', true), [])
  t.same(findLeftBeside(join(directory, 'none', 'march.tar'), [], true), [], 'a folder that cannot be listed')
  t.end()
})

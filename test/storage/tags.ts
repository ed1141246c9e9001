import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import { isRepositoryName, parseRepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { compare } from '../../src/storage/repositories.ts'
import { statFile } from '../../src/storage/stamp.ts'
import { realSync } from '../../src/storage/sync.ts'
import { A, makeStore } from '../helpers/store.ts'

const ONE = digestOf(Buffer.from('one'))
const TWO = digestOf(Buffer.from('two'))
const V1 = parseTag('v1')

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of source) all.push(item)
  return all
}

t.test('a tag is a link of 71 bytes with its history, the current one last', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  await store.tags.set(A, V1, TWO)
  t.equal(store.tags.resolve(A, V1), TWO)
  const path = store.layout.tagLink(A, V1)
  t.equal(readFileSync(path, 'latin1'), TWO)
  t.equal(statSync(path).size, 71)
  for (const digest of [ONE, TWO]) t.equal(readFileSync(store.layout.tagIndexLink(A, V1, digest), 'latin1'), digest)
})

t.test('a tag that tar moved is seen at once, its mtime unchanged', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  const path = store.layout.tagLink(A, V1)
  utimesSync(path, 1000, 1000)
  t.equal(store.tags.resolve(A, V1), ONE)
  writeFileSync(path, TWO)
  utimesSync(path, 1000, 1000)
  t.equal(store.tags.resolve(A, V1), TWO)
})

t.test('missing, empty, torn and foreign links are no tags', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  const plant = (tag: string, text: string): void => {
    const path = store.layout.tagLink(A, tag as Tag)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  plant('empty', '')
  plant('torn', ONE.slice(0, 40))
  plant('newline', `${ONE}\n`)
  plant('words', 'not a digest')
  mkdirSync(store.layout.tag(A, 'bare' as Tag))
  mkdirSync(store.layout.tagLink(A, 'directory' as Tag), { recursive: true })
  writeFileSync(join(store.layout.tags(A), 'file'), 'x')
  mkdirSync(join(store.layout.tags(A), '.hidden'))
  t.same(await collect(store.tags.list(A)), ['v1'])
  t.equal(store.tags.resolve(A, 'empty' as Tag), undefined)
})

t.test('tags are listed in byte order, after the last one', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const tag of ['b', 'a', 'B', '10', '9', '_', 'a-b', 'a.b', 'a_b']) await store.tags.set(A, parseTag(tag), ONE)
  const order = ['10', '9', 'B', '_', 'a', 'a-b', 'a.b', 'a_b', 'b']
  t.same(await collect(store.tags.list(A)), order)
  t.same(await collect(store.tags.list(A, 'a')), ['a-b', 'a.b', 'a_b', 'b'])
  t.same(await collect(store.tags.list(A, 'zzz')), [])
})

t.test('a removed tag is gone with its history, and says whether it was there', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  await store.tags.set(A, parseTag('v2'), ONE)
  t.same((await store.tags.pointingTo(A, ONE)).toSorted(compare), ['v1', 'v2'])
  t.equal(await store.tags.remove(A, V1), true)
  t.equal(await store.tags.remove(A, V1), false)
  t.same(readdirSync(store.layout.tags(A)), ['v2'])
})

t.test('a tag is only removed in the state in which it was seen', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  const path = store.layout.tagLink(A, V1)
  const seen = statFile(path)?.stamp
  await store.tags.set(A, V1, TWO)
  t.equal(await store.tags.remove(A, V1, seen), false)
  t.equal(store.tags.resolve(A, V1), TWO)
  t.equal(await store.tags.remove(A, V1, statFile(path)?.stamp), true)
  t.equal(await store.tags.remove(A, V1, seen), false)
  t.same(readdirSync(store.layout.tags(A)), [])
})

t.test('a tag that a tar brings back while it is removed stays', async (t) => {
  let arrive = (): void => undefined
  const store = makeStore(t.testdir({}), {
    file: (site, handle) => realSync.file(site, handle),
    async directory(site, path) {
      if (site === 'removed name') arrive()
      await realSync.directory(site, path)
    },
  })
  await store.tags.set(A, V1, ONE)
  arrive = () => {
    writeFileSync(store.layout.tagLink(A, V1), TWO)
    arrive = () => undefined
  }
  t.equal(await store.tags.remove(A, V1), true)
  t.equal(store.tags.resolve(A, V1), TWO)
  t.equal(await store.tags.remove(A, V1), true)
  t.same(readdirSync(store.layout.tags(A)), [])
})

t.test('what is pushed once more under its tag is as young as what was pushed first', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.tags.set(A, V1, ONE)
  const path = store.layout.tagLink(A, V1)
  utimesSync(path, 1000, 1000)
  const before = Date.now()
  await store.tags.set(A, V1, ONE)
  t.ok(statSync(path).mtimeMs >= before - 10)
})

t.test('a repository has all directories that either major version of distribution knows it by', async (t) => {
  const store = makeStore(t.testdir({}))
  t.equal(store.repositories.exists(A), false)
  await store.repositories.ensure(A)
  t.equal(store.repositories.exists(A), true)
  t.same(readdirSync(store.layout.repository(A)).toSorted(compare), ['_layers', '_manifests'])
  t.same(readdirSync(join(store.layout.repository(A), '_manifests')).toSorted(compare), ['revisions', 'tags'])
})

t.test('repositories of either version are listed, by links too, and strays are not', async (t) => {
  const store = makeStore(t.testdir({}))
  const root = store.layout.repositories
  for (const path of [
    'two/_layers',
    'three/_manifests/revisions',
    'BAD/_layers',
    '_ours/_layers',
    'empty/_uploads',
    'x/.y/_layers',
  ]) {
    mkdirSync(join(root, path), { recursive: true })
  }
  writeFileSync(join(root, 'file'), '')
  symlinkSync(join(root, 'two'), join(root, 'linked'))
  t.same(await collect(store.repositories.names()), ['linked', 'three', 'two'])
})

t.test('links that lead back up end the walk there', async (t) => {
  const store = makeStore(t.testdir({}))
  const root = store.layout.repositories
  mkdirSync(join(root, 'a/b/_layers'), { recursive: true })
  symlinkSync('.', join(root, 'self'))
  symlinkSync('.', join(root, 'twin'))
  symlinkSync('../..', join(root, 'a/b/up'))
  symlinkSync('gone', join(root, 'dangling'))
  t.same(await collect(store.repositories.names()), ['a/b'])
})

t.test('names are listed in byte order whatever is nested in what', async (t) => {
  const name = fc
    .array(fc.stringMatching(/^[a-b0]([-._]?[a-b0]){0,2}$/), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join('/'))
    .filter(isRepositoryName)
  let run = 0
  const root = t.testdir({})
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { maxLength: 12 }), name, async (names, last) => {
      run += 1
      const directory = join(root, String(run))
      mkdirSync(directory)
      const store = makeStore(directory)
      for (const each of names) mkdirSync(store.layout.layers(each), { recursive: true })
      const sorted = names.toSorted(compare)
      const after: RepositoryName[] = sorted.filter((each) => compare(each, last) > 0)
      t.same(await collect(store.repositories.names()), sorted)
      t.same(await collect(store.repositories.names(last)), after)
    }),
    {
      numRuns: 60,
      examples: [[['p', 'p-q', 'p/0x', 'p/b', 'p.q', 'p0'].map(parseRepositoryName), parseRepositoryName('p')]],
    },
  )
})

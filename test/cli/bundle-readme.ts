import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import type { WriteOptions } from '../../src/bundle/write-bundle.ts'
import { writeBundle } from '../../src/bundle/write-bundle.ts'
import { writeReadme } from '../../src/cli/bundle-readme.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { makeBundleStore, plan, plantImage, readTree } from '../helpers/bundle-images.ts'
import { A } from '../helpers/store.ts'

const TARN = ['tarn-9.9.9-image-linux-x64.tar', 'tarn-9.9.9-linux-x64.tar.gz']
const CONTENT = { blobs: [], buildsOn: [] }
const commandsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('   '))
    .map((line) => line.trim())

t.test('names of files with blanks and quotes are words of the commands', (t) => {
  const bundle = ["it's march.tar"]
  const commands = commandsOf(writeReadme({ tarn: TARN, bundle, isSigned: true, index: CONTENT }))
  for (const command of commands) execFileSync('sh', ['-n', '-c', command])
  for (const [what, words] of [
    ['bundle apply', /--config \S+ (.*)$/],
    ['tar -xf', /^tar -xf (.*)$/],
  ] as const) {
    const word = words.exec(commands.find((command) => command.includes(what)) ?? '')?.[1] ?? ''
    t.equal(execFileSync('sh', ['-c', `printf %s ${word}`]).toString(), "/media/it's march.tar", what)
  }
  t.end()
})

for (const [what, { zstd, cut }] of Object.entries({
  'one file': { zstd: false, cut: false },
  'packed files': { zstd: true, cut: false },
  'a blob that is cut': { zstd: false, cut: true },
  'a blob that is cut, packed': { zstd: true, cut: true },
})) {
  t.test(`what README.txt says of plain tar puts all in its place: ${what}`, async (t) => {
    const directory = t.testdir()
    const store = makeBundleStore(directory)
    plantImage(store, A, 'large', 'v1', { layer: Buffer.alloc(300_000, 'a layer ') })
    const [media, far] = [join(directory, 'the medium'), join(directory, 'far')]
    for (const place of [media, far]) mkdirSync(place)
    const planned = await plan(store, {}, cut ? { partSize: 100_000 } : {})
    const options: WriteOptions = { path: join(media, 'march 1.tar'), zstd, key: undefined, layout: store.layout }
    const bundle = (await writeBundle(planned, options)).map(({ path }) => basename(path))
    t.equal(bundle.length > 1, cut)
    const readme = writeReadme({ tarn: TARN, bundle, isSigned: false, index: planned.index })
    t.equal(/tar alone does not suffice/.test(readme), cut)
    t.notMatch(readme, /leaves out/)
    const commands = commandsOf(readme)
    const plain = commands.slice(commands.findIndex((command) => command.includes('podman load')) + 1)
    t.equal(plain.length, cut ? 2 : 1)
    for (const command of plain) {
      // In quotes a blank in the medium's own path does no harm, as nobody types one.
      execFileSync('sh', ['-ec', command.replaceAll("'/media/", `'${media}/`)], { cwd: far })
    }
    const brought = [...readTree(join(far, 'data/docker'))].filter(([path]) => !/\/tags\/.*\/index\//.test(path))
    const there = [...readTree(join(store.layout.root, 'docker'))].filter(([path]) => !/\/tags\/.*\/index\//.test(path))
    t.same(brought, there)
    t.ok(readFileSync(join(media, 'SHA256SUMS'), 'utf8').includes('march 1'))
    rmSync(far, { recursive: true })
  })
}

t.test('of a bundle that leaves something out it is said where it is complete', async (t) => {
  const store = makeBundleStore(t.testdir())
  const layer = Buffer.from('a layer that is there')
  plantImage(store, A, 'one', 'v1', { layer })
  const id = 'ab'.repeat(32) as never
  const { index } = await plan(
    store,
    {},
    {
      known: new Map([[digestOf(layer), layer.byteLength]]),
      buildsOn: [{ kind: 'inventory', id, sequence: 7 }],
    },
  )
  const readme = writeReadme({ tarn: TARN, bundle: ['april.tar'], isSigned: false, index })
  t.match(readme, /leaves out what was known to be at the far side \(inventory abababababababab, number 7\)/)
  t.match(readme, /Nor does tar say what is missing there/)
})

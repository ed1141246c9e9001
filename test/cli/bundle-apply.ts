import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseInventory } from '../../src/bundle/inventory.ts'
import { makeBundle } from '../helpers/bundle.ts'
import { openClient } from '../helpers/client.ts'
import { testImage } from '../helpers/data-tar.ts'
import { makeHome } from '../helpers/home.ts'
import { runTarn } from '../helpers/tarn.ts'

const IMAGES = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
const SECOND = new Set((IMAGES[1]?.layers ?? []).map((bytes) => digestOf(bytes)))

function makeParts(directory: string, count = 2): string[] {
  const { parts } = makeBundle(IMAGES, { parts: count, partOf: (digest) => (SECOND.has(digest) ? count : 1) })
  return parts.map((bytes, at) => {
    const file = join(directory, `march.part-${at + 1}-of-${count}.tar`)
    writeFileSync(file, bytes)
    return file
  })
}

t.test('parts come in through the registry that runs, and are served at once', async (t) => {
  const home = makeHome(t)
  const [one = '', two = ''] = makeParts(home.directory)
  const serving = await home.serve()
  const first = await runTarn(home.directory, ['bundle', 'apply', one])
  t.equal(first.code, 3, first.stderr)
  t.match(first.stdout, /1 of 2 images wait for part 2:\n {2}team\/b:v2/)
  const second = await runTarn(home.directory, ['bundle', 'apply', two, '--receipt', 'back.json'])
  t.equal(second.code, 0, second.stderr)
  t.match(second.stdout, /2 of 2 images are here, 1 tag set/)
  t.equal(parseInventory(readFileSync(join(home.directory, 'back.json'))).blobs.length, 8)
  const client = openClient({ url: serving.url })
  t.teardown(() => client.close())
  for (const { repository, tag, digest } of IMAGES) {
    const answer = await client.send('HEAD', `/v2/${repository}/manifests/${tag}`)
    t.equal(answer.headers['docker-content-digest'], digest)
  }
})

t.test('the same in a directory at rest; a dry run changes nothing; --json tells all', async (t) => {
  const home = makeHome(t)
  const files = makeParts(home.directory)
  const tried = await runTarn(home.directory, ['bundle', 'apply', '--dry-run', ...files])
  t.equal(tried.code, 0, tried.stderr)
  t.match(tried.stdout, /would come in[\s\S]*2 of 2 images would be here/)
  t.equal((await runTarn(home.directory, ['bundle', 'apply', '--dry-run', files[1] ?? ''])).code, 3)
  // The same content in three parts has the same id, and its first part is none of the two.
  const [other = ''] = makeParts(home.directory, 3)
  const mixed = await runTarn(home.directory, ['bundle', 'apply', '--dry-run', other, files[1] ?? ''])
  t.equal(mixed.code, 3, mixed.stdout)
  t.notOk(existsSync(join(home.data, 'docker')))
  const done = await runTarn(home.directory, ['--json', 'bundle', 'apply', ...files])
  t.equal(done.code, 0, done.stderr)
  const { files: reports } = JSON.parse(done.stdout) as { files: unknown[] }
  t.match(reports, [{ images: { here: 1 } }, { images: { here: 2 }, waiting: [] }])
})

t.test('a flaw is told with exit code 4, through the registry too, and verify says the same', async (t) => {
  const home = makeHome(t)
  const [one = ''] = makeParts(home.directory)
  const bytes = readFileSync(one)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  writeFileSync(one, bytes)
  for (const words of [['verify'], ['apply']]) {
    const { code, stdout, stderr } = await runTarn(home.directory, ['bundle', ...words, one])
    t.equal(code, 4)
    t.match(stdout + stderr, /other bytes than its name says|does not hold|another header|checksum|stands where/)
  }
  await home.serve()
  const served = await runTarn(home.directory, ['bundle', 'apply', one])
  t.equal(served.code, 4, served.stderr)
  t.match(served.stderr, /^error: .*\nhint: /m)
})

t.test('a file with a flaw does not keep the others out, and what they brought is told', async (t) => {
  const home = makeHome(t)
  const [one = '', two = ''] = makeParts(home.directory)
  writeFileSync(join(home.directory, 'a.tar'), 'hello')
  writeFileSync(join(home.directory, 'b.tar'), 'hello')
  const all = ['a.tar', one, 'b.tar', two]
  const { code, stdout, stderr } = await runTarn(home.directory, ['bundle', 'apply', ...all, '--receipt', 'back.json'])
  t.equal(code, 4, stderr)
  t.match(stdout, /part 1 of 2[\s\S]*part 2 of 2[\s\S]*2 of 2 images are here/)
  for (const file of ['a.tar', 'b.tar']) t.match(stderr, new RegExp(`^error: ${file}: `, 'm'))
  t.ok(existsSync(join(home.directory, 'back.json')))
})

t.test('the exit code of several files is that of the worst: what could not be read stands above a flaw', async (t) => {
  const home = makeHome(t)
  const media = join(home.directory, 'media')
  mkdirSync(join(media, 'b.tar'), { recursive: true })
  writeFileSync(join(media, 'a.tar'), 'hello')
  const { code, stderr } = await runTarn(home.directory, ['bundle', 'apply', 'media'])
  t.equal(code, 2, stderr)
  t.match(stderr, /^error: media\/a\.tar: /m)
  t.match(stderr, /^error: media\/b\.tar: .*is a directory\nhint: /m)
})

t.test('what is no bundle, or not there, is told', async (t) => {
  const home = makeHome(t)
  writeFileSync(join(home.directory, 'note.txt'), 'hello')
  t.equal((await runTarn(home.directory, ['bundle', 'apply', 'note.txt'])).code, 4)
  t.equal((await runTarn(home.directory, ['bundle', 'apply', 'nowhere.tar'])).code, 2)
  t.equal((await runTarn(home.directory, ['bundle', 'inspect', 'nowhere.tar'])).code, 2)
})

t.test('inspect tells what is new here', async (t) => {
  const home = makeHome(t)
  const [one = '', two = ''] = makeParts(home.directory)
  const before = await runTarn(home.directory, ['bundle', 'inspect', one, two])
  t.match(before.stdout, /unsigned[\s\S]*team\/a:v1 +sha256:\w+ +new/)
  await runTarn(home.directory, ['bundle', 'apply', one, two])
  const after = await runTarn(home.directory, ['bundle', 'inspect', one])
  t.match(after.stdout, /new here: 0 blobs[\s\S]*applied already: part 1, 2 of 2[\s\S]*team\/b:v2 +sha256:\w+ +here/)
})

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { Pulls } from '../../src/storage/pulls.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { imageOf, indexOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'
import { runTarn } from '../helpers/tarn.ts'

const CONFIG = Buffer.from(
  '{"created":"2026-01-02T03:04:05Z","os":"linux","architecture":"amd64","config":{"Labels":{"a":"b"}}}',
)
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)], { annotations: { note: 'yes' } })
const INDEX = indexOf([
  { ...partOf(IMAGE), platform: { os: 'linux', architecture: 'amd64' } } as ReturnType<typeof partOf>,
])
const SIGNATURE = imageOf(partOf(CONFIG), [], {
  subject: { mediaType: 'x/y', ...partOf(IMAGE) },
  artifactType: 'application/x-signature',
})

function make(t: Test): { store: TestStore; config: string } {
  const home = t.testdir({ data: {} })
  const store = makeStore(join(home, 'data'))
  plantBlob(store, A, CONFIG)
  plantBlob(store, A, LAYER)
  plantBlob(store, B, LAYER)
  plantManifest(store, A, IMAGE, parseTag('v1'))
  plantManifest(store, A, INDEX, parseTag('latest'))
  plantManifest(store, A, SIGNATURE)
  return { store, config: writeHome(home, store.directory) }
}

const run = (config: string, ...args: string[]) => runCommand(['inspect', '--config', config, ...args])

t.test('tells of platforms, layers, configuration, signatures, other holders', async (t) => {
  const { store, config } = make(t)
  await store.pins.add('x', { reason: '', images: [{ name: A, tag: parseTag('latest') }], blobs: [] })
  const pulls = new Pulls({ path: store.layout.pulls, clock: () => 1_000_000_000_000, writable: () => true })
  pulls.note(A, digestOf(INDEX))
  pulls.flush()
  const { code, stdout, stderr } = await run(config, 'team/a')
  t.equal(code, 0, stderr)
  for (const part of [
    /^image +team\/a:latest$/m,
    new RegExp(`^digest +${digestOf(INDEX)}$`, 'm'),
    /^pinned +yes$/m,
    /^state +here; bytes not read \(tarn check does\)$/m,
    /^last pulled +2001-09-09T01:46:/m,
    new RegExp(
      `^└─ linux/amd64  ${digestOf(IMAGE)}  ${IMAGE.length} B  application/vnd.oci.image.manifest.v1\\+json$`,
      'm',
    ),
    new RegExp(`^   └─ layer  ${digestOf(LAYER)}  7 B  .*  also in team/b$`, 'm'),
    /^linux\/amd64\n  created: 2026-01-02T03:04:05Z\n  platform: linux\/amd64\n  label: a=b\n  annotation: note=yes$/m,
    new RegExp(`^referrers\n  application/x-signature  ${digestOf(SIGNATURE)}  ${SIGNATURE.length} B$`, 'm'),
  ]) {
    t.match(stdout, part)
  }
  const child = (await run(config, 'team/a:v1')).stdout
  t.match(child, /^annotations\n  note=yes$/m)
  t.match(child, new RegExp(`^part of +${digestOf(INDEX)} :latest$`, 'm'), 'what must go first')
  t.notMatch(stdout, /^part of/m)
})

t.test('--json has it all', async (t) => {
  const { config } = make(t)
  const { stdout } = await run(config, '--json', 'team/a:v1')
  t.match(JSON.parse(stdout), {
    name: A,
    digest: digestOf(IMAGE),
    tags: ['v1'],
    pushedAt: '2001-09-09T01:46:40.000Z',
    pinned: false,
    manifest: { annotations: { note: 'yes' }, layers: [{ digest: digestOf(LAYER), state: 'here' }] },
    sharedParts: { [digestOf(LAYER)]: [B] },
    referrers: [{ digest: digestOf(SIGNATURE), subject: digestOf(IMAGE) }],
  })
})

t.test('--raw and --image-config print the stored bytes and not one more', async (t) => {
  const { config } = make(t)
  t.equal((await run(config, '--raw', 'team/a')).stdout, INDEX.toString())
  t.equal((await run(config, '--raw', '--platform', 'linux/amd64', 'team/a')).stdout, IMAGE.toString())
  t.equal((await run(config, '--image-config', '--platform', 'linux/amd64', 'team/a')).stdout, CONFIG.toString())
  t.equal((await run(config, '--image-config', 'team/a:v1')).stdout, CONFIG.toString())
  t.equal((await runTarn(join(config, '..'), ['inspect', '--raw', 'team/a'])).stdout, INDEX.toString())
})

t.test('a platform must be named where there is a choice, and be there', async (t) => {
  const { config } = make(t)
  const unnamed = await run(config, '--image-config', 'team/a')
  t.equal(unnamed.code, 2)
  t.match(unnamed.stderr, /^error: .*\nhint: it has linux\/amd64: choose with --platform\n$/)
  t.equal((await run(config, '--platform', 'linux/s390x', 'team/a')).code, 1)
  t.equal((await run(config, '--raw', '--image-config', 'team/a')).code, 2)
  const other = await run(config, '--raw', '--platform', 'linux/arm64', 'team/a:v1')
  t.same([other.code, other.stdout], [1, ''])
  t.match(other.stderr, /^error: it is an image for linux\/amd64, not for linux\/arm64\nhint: /)
  t.equal((await run(config, '--raw', '--platform', 'linux/amd64', 'team/a:v1')).stdout, IMAGE.toString())
})

t.test('an image that is not here, or whose manifest is lost, is a failure with a hint', async (t) => {
  const { store, config } = make(t)
  const none = await run(config, 'team/none')
  t.same([none.code, none.stdout], [1, ''])
  t.match(none.stderr, /^error: there is no repository team\/none in \/.*\/data\nhint: .*tarn ls\n$/)
  rmSync(store.layout.blobData(digestOf(INDEX)))
  const lost = await run(config, 'team/a')
  t.equal(lost.code, 1)
  t.match(lost.stdout, /MISSING/)
  t.match(lost.stderr, /^error: the manifest of team\/a is missing: it cannot be pulled\nhint: .*tarn check team\/a\n$/)
  t.equal((await run(config, 'team/*')).code, 2)
})

t.test('annotations, labels and media types cannot speak to the terminal', async (t) => {
  const { store, config } = make(t)
  const evil = '\u001b[8mhidden\r\nstate  whole\u009b2J'
  const labelled = Buffer.from(JSON.stringify({ os: 'linux', config: { Labels: { [evil]: evil }, User: evil } }))
  plantBlob(store, A, labelled)
  const image = imageOf(partOf(labelled), [{ ...partOf(LAYER), mediaType: evil }], { annotations: { [evil]: evil } })
  plantManifest(store, A, image, parseTag('evil'))
  const signature = { mediaType: 'x/y', ...partOf(image) }
  plantManifest(store, A, imageOf(partOf(CONFIG), [], { subject: signature, annotations: { by: evil } }))
  const { code, stdout } = await run(config, 'team/a:evil')
  t.equal(code, 0)
  // oxlint-disable-next-line no-control-regex
  t.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  t.notMatch(stdout, /^state  whole/m)
  t.ok(stdout.split(String.raw`\x1b[8mhidden\r\nstate  whole\x9b2J`).length > 5)
  const raw = await run(config, '--raw', 'team/a:evil')
  t.equal(raw.stdout, image.toString())
  t.equal(JSON.parse((await run(config, '--json', 'team/a:evil')).stdout).manifest.annotations[evil], evil)
})

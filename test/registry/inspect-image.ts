import { chmodSync, rmSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { describeManifest } from '../../src/registry/describe-manifest.ts'
import type { ImageDetails } from '../../src/registry/inspect-image.ts'
import { choosePlatform, findImage, inspectImage, readConfigBytes, readRaw } from '../../src/registry/inspect-image.ts'
import { asNobody } from '../helpers/nobody.ts'
import { imageOf, indexOf, partOf, plantBlob, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from(
  JSON.stringify({
    created: '2026-01-02T03:04:05Z',
    os: 'linux',
    architecture: 'amd64',
    config: { Labels: { maintainer: 'me', bad: 1 }, Entrypoint: ['/app'], Cmd: [], User: '' },
  }),
)
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)], { annotations: { note: 'yes' } })
const AMD64 = { os: 'linux', architecture: 'amd64' }
const INDEX = indexOf([{ ...partOf(IMAGE), platform: AMD64 } as ReturnType<typeof partOf>])

function make(directory: string): TestStore {
  const store = makeStore(directory)
  plantBlob(store, A, CONFIG)
  plantBlob(store, A, LAYER)
  plantManifest(store, A, IMAGE, parseTag('v1'))
  plantManifest(store, A, INDEX, parseTag('latest'))
  return store
}

function inspect({ layout }: TestStore, text: string): ImageDetails {
  return inspectImage(layout, findImage(layout, text), false)
}

t.test('shows an index down to its layers, and what each configuration says', (t) => {
  const store = make(t.testdir({}))
  const details = inspect(store, 'team/a')
  t.match(details, {
    digest: digestOf(INDEX),
    tags: ['latest'],
    manifest: {
      kind: 'index',
      size: INDEX.length,
      children: [
        {
          digest: digestOf(IMAGE),
          platform: AMD64,
          annotations: { note: 'yes' },
          config: { digest: digestOf(CONFIG), size: CONFIG.length, state: 'here' },
          layers: [{ digest: digestOf(LAYER), size: LAYER.length, state: 'here' }],
        },
      ],
    },
  })
  t.same(details.configs, {
    [digestOf(IMAGE)]: {
      created: '2026-01-02T03:04:05Z',
      architecture: 'amd64',
      os: 'linux',
      labels: { maintainer: 'me' },
      entrypoint: ['/app'],
    },
  })
  t.same([details.heldBy, details.sharedParts, details.referrers], [[], {}, []])
  t.end()
})

t.test('says of each blob in which state it is', (t) => {
  const store = make(t.testdir({}))
  const states = (): (string | undefined)[] => {
    const { config, layers } = inspect(store, 'team/a:v1').manifest
    return [config?.state, layers[0]?.state]
  }
  plantBytes(store, Buffer.from('another length'), digestOf(LAYER))
  t.same(states(), ['here', 'wrong size'])
  plantBytes(store, LAYER)
  rmSync(store.layout.layerLink(A, digestOf(LAYER)))
  t.same(states(), ['here', 'not linked'])
  rmSync(store.layout.blobData(digestOf(LAYER)))
  plantFile(store.layout.blobTrash(digestOf(LAYER)), LAYER)
  t.same(states(), ['here', 'in trash'])
  rmSync(store.layout.blobTrash(digestOf(LAYER)))
  t.same(states(), ['here', 'missing'])
  const foreign = imageOf(partOf(CONFIG), [{ ...partOf(LAYER), urls: ['https://example.com/x'] }])
  plantManifest(store, A, foreign, parseTag('foreign'))
  t.equal(inspect(store, 'team/a:foreign').manifest.layers[0]?.state, 'elsewhere')
  t.end()
})

t.test('a child of an index that is not here is shown as the index names it', (t) => {
  const store = make(t.testdir({}))
  rmSync(store.layout.blobData(digestOf(IMAGE)))
  t.match(inspect(store, 'team/a').manifest.children, [
    { digest: digestOf(IMAGE), size: IMAGE.length, state: 'missing', platform: AMD64, layers: [] },
  ])
  t.end()
})

t.test('finds who else holds the manifest, by which tags, and each of its blobs', (t) => {
  const store = make(t.testdir({}))
  plantBlob(store, B, LAYER)
  plantManifest(store, B, IMAGE, parseTag('copy'))
  const details = inspect(store, 'team/a:v1')
  t.same(details.heldBy, [{ repository: B, tags: ['copy'] }])
  t.same(details.sharedParts, { [digestOf(LAYER)]: [B], [digestOf(IMAGE)]: [B] })
  t.same(inspect(store, 'team/a').heldBy, [], 'the index is not there')
  t.end()
})

t.test('finds referrers by subject, by cosign’s tags and by the fallback tag, also of the platforms', (t) => {
  const store = make(t.testdir({}))
  const plantNamed = (note: string, more: object, tag?: string) => {
    const bytes = imageOf(partOf(CONFIG), [{ ...partOf(LAYER), mediaType: 'x/simplesigning' }], { note, ...more })
    plantManifest(store, A, bytes, tag === undefined ? undefined : parseTag(tag))
    return bytes
  }
  const subject = { mediaType: 'x/y', ...partOf(IMAGE) }
  const attached = plantNamed('subject', { subject, artifactType: 'application/spdx+json', annotations: { a: 'b' } })
  const tag = `sha256-${hexOf(digestOf(IMAGE))}`
  const signed = plantNamed('cosign', {}, `${tag}.sig`)
  const listed = plantNamed('listed', {})
  const entry = { ...partOf(listed), artifactType: 'application/x' } as ReturnType<typeof partOf>
  plantManifest(store, A, indexOf([entry, partOf(attached)]), parseTag(tag))
  for (const image of ['team/a', 'team/a:v1']) {
    const found = inspect(store, image).referrers
    t.same(
      new Set(found.map((one) => [one.digest, one.artifactType, one.tag, one.subject].join(' '))),
      new Set(
        [
          [digestOf(attached), 'application/spdx+json', undefined, digestOf(IMAGE)],
          [digestOf(signed), 'x/simplesigning', `${tag}.sig`, digestOf(IMAGE)],
          [digestOf(listed), 'application/x', tag, digestOf(IMAGE)],
        ].map((row) => row.join(' ')),
      ),
      image,
    )
  }
  t.end()
})

t.test('finds an image by tag, by digest and by the first digits of one', (t) => {
  const { layout } = make(t.testdir({}))
  const whole = digestOf(IMAGE)
  for (const text of ['team/a:v1', `team/a@${whole}`, `team/a@${whole.slice(0, 19)}`]) {
    t.equal(findImage(layout, text).digest, whole, text)
  }
  t.equal(findImage(layout, 'team/a').digest, digestOf(INDEX))
  t.end()
})

t.test('an image that is not here is a failure with a hint', (t) => {
  const { layout } = make(t.testdir({}))
  const none = digestOf(Buffer.from('none'))
  for (const [text, message, hint] of [
    ['team/none', /^there is no repository team\/none in \//, /tarn ls$/],
    ['team/a:none', 'team/a has no tag none', /tarn ls --tags team\/a$/],
    [`team/a@${none}`, `team/a has no manifest ${none}`, /--untagged/],
    [`team/a@${digestOf(LAYER)}`, /has no manifest/, /--untagged/],
  ] as const) {
    t.throws(() => findImage(layout, text), { message, hint, exitCode: 1 }, text)
  }
  t.end()
})

t.test('gives the bytes of a manifest and of a configuration exactly as they are stored', (t) => {
  const { layout } = make(t.testdir({}))
  const image = findImage(layout, 'team/a:v1')
  t.same(Buffer.from(readRaw(layout, image)), IMAGE)
  t.same(Buffer.from(readConfigBytes(layout, describeManifest(layout, A, image.digest))), CONFIG)
  rmSync(layout.blobData(digestOf(CONFIG)))
  t.throws(() => readConfigBytes(layout, describeManifest(layout, A, image.digest)), /no configuration/)
  plantFile(layout.blobData(digestOf(IMAGE)), 'x')
  t.throws(() => readRaw(layout, image), /is broken: its bytes are not/)
  rmSync(layout.blobData(digestOf(IMAGE)))
  t.throws(() => readRaw(layout, image), /is not here/)
  t.end()
})

t.test('of an index one platform is chosen by name, with or without its variant', (t) => {
  const { layout } = make(t.testdir({}))
  const node = describeManifest(layout, A, digestOf(INDEX))
  t.equal(choosePlatform(layout, node, 'linux/amd64').digest, digestOf(IMAGE))
  t.throws(() => choosePlatform(layout, node, undefined), { name: 'Problem', exitCode: 2, hint: /linux\/amd64/ })
  t.throws(() => choosePlatform(layout, node, 'linux/s390x'), { name: 'Problem', exitCode: 1, hint: /linux\/amd64/ })
  const [child] = node.children
  if (child === undefined) throw new Error('the index has no child')
  t.equal(
    choosePlatform(layout, { ...node, children: [{ ...child, platform: { ...AMD64, variant: 'v2' } }] }, 'linux/amd64')
      .digest,
    child.digest,
  )
  t.equal(choosePlatform(layout, child, undefined), child, 'an image is itself')
  t.equal(choosePlatform(layout, child, 'linux/amd64'), child)
  t.throws(() => choosePlatform(layout, child, 'linux/arm64'), {
    name: 'Problem',
    exitCode: 1,
    message: 'it is an image for linux/amd64, not for linux/arm64',
  })
  t.end()
})

t.test('a configuration that anybody could have written breaks nothing', (t) => {
  const store = make(t.testdir({}))
  for (const [index, text] of [
    '',
    '[]',
    'null',
    '{"config":[1],"created":{}}',
    '{"config":{"Labels":"x","Entrypoint":{}}}',
  ].entries()) {
    const config = Buffer.from(text)
    plantBlob(store, A, config)
    const bytes = imageOf(partOf(config), [], { annotations: { index: `${index}` } })
    plantManifest(store, A, bytes, parseTag(`odd${index}`))
    t.same(
      Object.values(inspect(store, `team/a:odd${index}`).configs).flatMap((one) => Object.keys(one)),
      [],
      text,
    )
  }
  t.end()
})

t.test('a tag whose link is torn is not told as a tag that is not there', (t) => {
  const { layout } = make(t.testdir({}))
  for (const text of ['', 'sha256:cut']) {
    plantFile(layout.tagLink(A, parseTag('v1')), text)
    t.throws(() => findImage(layout, 'team/a:v1'), {
      message: /^the link of team\/a:v1 is torn/,
      hint: /tarn check --repair team\/a$/,
    })
  }
  t.end()
})

t.test('a repository that cannot be read is not told as one that is not there', (t) => {
  const { layout } = make(t.testdir({}))
  chmodSync(layout.repository(A), 0)
  for (const text of ['team/a:v1', 'team/a:none', `team/a@${digestOf(IMAGE)}`]) {
    t.throws(() => asNobody(() => findImage(layout, text)), {
      message: /^the repository team\/a cannot be read.*EACCES/,
    })
  }
  chmodSync(layout.repository(A), 0o700)
  symlinkSync('/nowhere/at/all', layout.repository(B))
  t.throws(() => findImage(layout, 'team/b:v1'), { message: /^the repository team\/b cannot be read/ })
  t.end()
})

t.test('who else holds it is told with what could not be read', (t) => {
  const store = make(t.testdir({}))
  plantBlob(store, B, LAYER)
  chmodSync(store.layout.layers(B), 0)
  const details = asNobody(() => inspect(store, 'team/a:v1'))
  chmodSync(store.layout.layers(B), 0o700)
  t.same(details.sharedParts, {})
  t.match(details.problems, [{ path: /team\/b\/_layers/, what: /EACCES/ }])
  t.end()
})

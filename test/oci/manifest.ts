// Manifests as they are pushed (strict) and as other programs stored them (tolerant).
import fc from 'fast-check'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { ErrorCode } from '../../src/oci/errors.ts'
import { describeReferrer, parseManifest, readManifest, requiredBlobs } from '../../src/oci/manifest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  FOREIGN_LAYERS,
  MANIFEST_TYPES,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_MANIFEST,
  SCHEMA1_PLAIN,
  SCHEMA1_SIGNED,
} from '../../src/oci/media-type.ts'
import type { Json } from '../fixtures/manifest-parts.ts'
import {
  A,
  B,
  C,
  CHILD,
  CONFIG,
  FULL_DESCRIPTOR,
  FULL_IMAGE,
  IMAGE,
  INDEX,
  LAYER,
  catchRefusal,
  encode,
  omitMember,
  renameMember,
} from '../fixtures/manifest-parts.ts'

const DOCKER_IMAGE = { ...IMAGE, mediaType: DOCKER_MANIFEST }
const SCHEMA1 = {
  schemaVersion: 1,
  name: 'a/b',
  fsLayers: [{ blobSum: A }, { blobSum: B }, { blobSum: A }],
  history: [],
}

const TAKEN: readonly (readonly [name: string, document: unknown, contentType: string | undefined])[] = [
  ['an OCI image', IMAGE, OCI_MANIFEST],
  ['an OCI image without mediaType', omitMember(IMAGE, 'mediaType'), OCI_MANIFEST],
  ['an OCI image with an empty mediaType', { ...IMAGE, mediaType: '' }, OCI_MANIFEST],
  ['a Content-Type with parameters and capitals', IMAGE, `${OCI_MANIFEST.toUpperCase()} ; charset=utf-8`],
  ['no Content-Type where the body has a mediaType', DOCKER_IMAGE, undefined],
  ['an empty Content-Type where the body has a mediaType', DOCKER_IMAGE, ''],
  ['a Docker image', DOCKER_IMAGE, DOCKER_MANIFEST],
  ['a Docker list', { ...INDEX, mediaType: DOCKER_LIST }, DOCKER_LIST],
  ['an OCI index without mediaType', omitMember(INDEX, 'mediaType'), OCI_INDEX],
  ['an index whose children are layers, as BuildKit caches are', { ...INDEX, manifests: [LAYER, CONFIG] }, OCI_INDEX],
  [
    'an index whose children have platforms',
    {
      ...INDEX,
      manifests: [
        {
          ...CHILD,
          platform: {
            architecture: 'arm64',
            os: 'linux',
            variant: 'v8',
            'os.version': '1',
            'os.features': ['x'],
            features: [],
          },
        },
      ],
    },
    OCI_INDEX,
  ],
  [
    'a platform that is null or empty',
    {
      ...INDEX,
      manifests: [
        { ...CHILD, platform: null },
        { ...CHILD, platform: {} },
      ],
    },
    OCI_INDEX,
  ],
  ['an empty index', { ...INDEX, manifests: [] }, OCI_INDEX],
  ["Go's empty index", { ...INDEX, manifests: null }, OCI_INDEX],
  ['an image without layers', { ...IMAGE, layers: [] }, OCI_MANIFEST],
  [
    "Go's image without layers",
    { ...IMAGE, layers: null, annotations: null, subject: null, manifests: null },
    OCI_MANIFEST,
  ],
  [
    'an artifact with subject',
    {
      ...IMAGE,
      artifactType: 'x/y',
      subject: CHILD,
      config: { ...CONFIG, mediaType: OCI_EMPTY, data: 'YQ==' },
    },
    OCI_MANIFEST,
  ],
  ['an index with subject', { ...INDEX, artifactType: 'x/y', subject: CHILD, annotations: { a: 'b' } }, OCI_INDEX],
  [
    'layers that are elsewhere',
    {
      ...IMAGE,
      layers: FOREIGN_LAYERS.map((mediaType) => ({ ...LAYER, mediaType, urls: ['https://example.com/x'] })),
    },
    OCI_MANIFEST,
  ],
  [
    'members that the specification does not know',
    { ...IMAGE, 'org.example.x': { Layers: [1], size: 'big' }, config: { ...CONFIG, extra: { Digest: 1 } } },
    OCI_MANIFEST,
  ],
  [
    'case variants inside annotations',
    {
      ...IMAGE,
      annotations: { Layers: 'x', MEDIATYPE: 'y', 'di\u017fgest': 'z' },
      layers: [{ ...LAYER, annotations: { Size: '1', size: '2' } }],
    },
    OCI_MANIFEST,
  ],
  ['4096 layers', { ...IMAGE, layers: Array.from({ length: 4096 }, () => LAYER) }, OCI_MANIFEST],
  ['10000 children', { ...INDEX, manifests: Array.from({ length: 10_000 }, () => CHILD) }, OCI_INDEX],
  ['a large size', { ...IMAGE, config: { ...CONFIG, size: Number.MAX_SAFE_INTEGER } }, OCI_MANIFEST],
  ['the data of a descriptor by sha512', { ...IMAGE, config: { ...CONFIG, digest: C, data: 'Yw==' } }, OCI_MANIFEST],
  [
    'empty data',
    { ...IMAGE, config: { ...CONFIG, digest: digestOf(new Uint8Array()), size: 0, data: '' } },
    OCI_MANIFEST,
  ],
]

for (const [name, document, contentType] of TAKEN)
  t.test(`${name} is taken, and read alike when it is stored`, async (t) => {
    const bytes = encode(document)
    const manifest = parseManifest(bytes, contentType)
    t.ok(MANIFEST_TYPES.includes(manifest.mediaType))
    t.strictSame(readManifest(bytes), manifest)
  })

type Refusal = readonly [name: string, document: unknown, message: RegExp, contentType?: string, code?: ErrorCode]

const REFUSED: readonly Refusal[] = [
  ['a schema 1 manifest by its signed type', SCHEMA1, /manifest\.v1\+prettyjws" are not taken/, SCHEMA1_SIGNED],
  ['a schema 1 manifest by its plain type', SCHEMA1, /manifest\.v1\+json" are not taken/, SCHEMA1_PLAIN],
  ['a schema 1 manifest without type', SCHEMA1, /no Content-Type and no mediaType/],
  [
    'a general Content-Type',
    IMAGE,
    /"application\/json" are not taken; use one of application\/vnd\.oci/,
    'application/json',
  ],
  ['a Content-Type that is none', IMAGE, /are not taken/, `${OCI_MANIFEST}\t`],
  ['two Content-Types', IMAGE, /are not taken/, `${OCI_MANIFEST}, ${OCI_INDEX}`],
  ['a body with an unknown mediaType and no Content-Type', { ...IMAGE, mediaType: 'x/y' }, /"x\/y" are not taken/],
  ['a body without mediaType and no Content-Type', omitMember(IMAGE, 'mediaType'), /no Content-Type and no mediaType/],
  ['a mediaType unlike the Content-Type', IMAGE, /mediaType is .* and the Content-Type is/, DOCKER_MANIFEST],
  ['a mediaType in capitals', { ...IMAGE, mediaType: OCI_MANIFEST.toUpperCase() }, /mediaType is/, OCI_MANIFEST],
  ['a Docker image without mediaType', omitMember(IMAGE, 'mediaType'), /mediaType must be/, DOCKER_MANIFEST],
  ['a Docker list without mediaType', omitMember(INDEX, 'mediaType'), /mediaType must be/, DOCKER_LIST],
  ['a mediaType that is no string', { ...IMAGE, mediaType: 7 }, /mediaType must be a string/, OCI_MANIFEST],
  ['nothing', '', /not JSON/, OCI_MANIFEST],
  ['a list', [], /document must be an object/, OCI_MANIFEST],
  ['null', 'null', /document must be an object/, OCI_MANIFEST],
  ['schemaVersion 1', { ...IMAGE, schemaVersion: 1 }, /schemaVersion must be 2/, OCI_MANIFEST],
  ['schemaVersion as a string', { ...IMAGE, schemaVersion: '2' }, /schemaVersion must be 2/, OCI_MANIFEST],
  ['no schemaVersion', omitMember(IMAGE, 'schemaVersion'), /schemaVersion must be 2/, OCI_MANIFEST],
  ['an image that is an index too', { ...IMAGE, manifests: [] }, /manifests does not belong/, OCI_MANIFEST],
  ['an image that is a schema 1 manifest too', { ...IMAGE, fsLayers: [] }, /fsLayers does not belong/, OCI_MANIFEST],
  ['an index with layers', { ...INDEX, layers: [] }, /layers does not belong/, OCI_INDEX],
  ['an index with config', { ...INDEX, config: {} }, /config does not belong/, OCI_INDEX],
  ['an index with fsLayers', { ...INDEX, fsLayers: {} }, /fsLayers does not belong/, OCI_INDEX],
  ['an image without config', omitMember(IMAGE, 'config'), /config is missing/, OCI_MANIFEST],
  ['an image whose config is null', { ...IMAGE, config: null }, /config is missing/, OCI_MANIFEST],
  ['an image without the member layers', omitMember(IMAGE, 'layers'), /layers is missing/, OCI_MANIFEST],
  ['an index without the member manifests', omitMember(INDEX, 'manifests'), /manifests is missing/, OCI_INDEX],
  ['layers that are no list', { ...IMAGE, layers: {} }, /layers must be an array/, OCI_MANIFEST],
  ['a layer that is null', { ...IMAGE, layers: [null] }, /layers\[0\] must be an object/, OCI_MANIFEST],
  ['a config that is a list', { ...IMAGE, config: [CONFIG] }, /config must be an object/, OCI_MANIFEST],
  ['a subject that is a string', { ...IMAGE, subject: A }, /subject must be an object/, OCI_MANIFEST],
  ['an artifactType that is no string', { ...IMAGE, artifactType: 1 }, /artifactType must be a string/, OCI_MANIFEST],
  ['annotations that are a list', { ...IMAGE, annotations: [] }, /annotations must be an object/, OCI_MANIFEST],
  [
    'an annotation that is a number',
    { ...IMAGE, annotations: { a: 'b', c: 1 } },
    /annotations must hold strings only, and "c"/,
    OCI_MANIFEST,
  ],
  [
    'an annotation of a layer that is null',
    { ...IMAGE, layers: [LAYER, { ...LAYER, annotations: { c: null } }] },
    /layers\[1\]\.annotations must/,
    OCI_MANIFEST,
  ],
  [
    'a key twice among the layers',
    JSON.stringify(IMAGE).replace('"layers":[{', '"layers":[{"size":1,'),
    /layers\[0\] holds the key "size" twice/,
    OCI_MANIFEST,
  ],
  [
    'a key twice in an annotation',
    JSON.stringify(IMAGE).replace('{', '{"annotations":{"a":"","\\u0061":""},'),
    /annotations holds the key "a" twice/,
    OCI_MANIFEST,
  ],
  ['33 levels', `{"schemaVersion":2,"x":${'['.repeat(32)}${']'.repeat(32)}}`, /nested deeper/, OCI_MANIFEST],
  [
    'a subject with a bad digest',
    { ...IMAGE, subject: { ...CHILD, digest: '../x' } },
    /subject\.digest/,
    OCI_MANIFEST,
    'DIGEST_INVALID',
  ],
  [
    '4097 layers',
    { ...IMAGE, layers: Array.from({ length: 4097 }, () => LAYER) },
    /layers has 4097 entries/,
    OCI_MANIFEST,
    'SIZE_INVALID',
  ],
  [
    '10001 children',
    { ...INDEX, manifests: Array.from({ length: 10_001 }, () => CHILD) },
    /manifests has 10001 entries/,
    OCI_INDEX,
    'SIZE_INVALID',
  ],
]

for (const [name, document, message, contentType, code = 'MANIFEST_INVALID'] of REFUSED)
  t.test(`${name} is refused with ${code}`, async (t) => {
    const refusal = catchRefusal(() => parseManifest(encode(document), contentType))
    t.equal(refusal?.code, code)
    t.match(refusal?.message, message)
    t.equal(refusal?.status, /entries/.test(refusal?.message ?? '') ? 413 : 400)
    // The words on which containers/image takes any error for a request to convert.
    t.notMatch(refusal?.message, /Invalid JSON syntax/i)
  })

t.test('any bytes are read or refused with a client error, pushed and stored', async (t) => {
  const anyName = fc.constantFrom(
    ...Object.keys(FULL_IMAGE),
    ...Object.keys(FULL_DESCRIPTOR),
    'manifests',
    'fsLayers',
    'blobSum',
    'Layers',
    '__proto__',
  )
  const { value: anyValue } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.constantFrom<unknown>(
        A,
        B,
        C,
        0,
        1,
        2,
        -1,
        1.5,
        null,
        true,
        '',
        'YQ==',
        {},
        [],
        CONFIG,
        LAYER,
        CHILD,
        ...MANIFEST_TYPES,
      ),
      fc.jsonValue(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(anyName, tie('value'), { maxKeys: 6 }),
    ),
  }))
  const anyDocument = fc.tuple(
    fc.constantFrom<Json>(IMAGE, INDEX, SCHEMA1, {}),
    fc.dictionary(anyName, anyValue, { maxKeys: 4 }),
  )
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    anyDocument.map(([base, part]) => encode({ ...base, ...part })),
  )
  const anyType = fc.oneof(fc.constantFrom(undefined, ...MANIFEST_TYPES), fc.string())
  const seen = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(anyBytes, anyType, (bytes, contentType) => {
      const stored = catchRefusal(() => requiredBlobs(readManifest(bytes)))
      if (stored !== undefined && stored.code !== 'MANIFEST_INVALID') return false
      const pushed = catchRefusal(() => parseManifest(bytes, contentType))
      if (pushed === undefined) seen.taken++
      else seen.refused++
      // What is taken can be read back.
      return pushed !== undefined || stored === undefined
    }),
    { numRuns: 10_000 },
  )
  t.ok(Math.min(seen.taken, seen.refused) > 100, `each kind came often: ${JSON.stringify(seen)}`)
})

t.test('a stored schema 1 manifest shows its layers', async (t) => {
  const manifest = readManifest(encode(SCHEMA1))
  t.equal(manifest.kind, 'schema1')
  t.equal(manifest.mediaType, SCHEMA1_SIGNED)
  t.strictSame(
    manifest.layers.map(({ digest }) => digest),
    [A, B, A],
  )
  t.strictSame(
    requiredBlobs(manifest).map(({ digest }) => digest),
    [A, B],
    'each once',
  )
})

t.test('a stored document without mediaType is an index when it has manifests, else an image', async (t) => {
  t.equal(readManifest(encode(omitMember(INDEX, 'mediaType'))).mediaType, OCI_INDEX)
  t.equal(readManifest(encode(omitMember(IMAGE, 'mediaType'))).mediaType, OCI_MANIFEST)
  t.equal(readManifest(encode({ schemaVersion: 2, manifests: [] })).kind, 'index')
  t.equal(readManifest(encode({ schemaVersion: 2, layers: [LAYER] })).kind, 'image')
})

t.test('a stored document is read as Go would read it', async (t) => {
  const variant = renameMember(renameMember(IMAGE, 'layers', 'Layers'), 'config', 'con\u017fig')
  t.strictSame(
    requiredBlobs(readManifest(encode({ ...variant, CONFIG }))).map(({ digest }) => digest),
    [A, B],
  )
  const twin = JSON.stringify(IMAGE).replace('{', `{"config":${JSON.stringify(LAYER)},`)
  t.equal(readManifest(encode(twin)).config?.digest, A, 'the last of two keys counts')
  const doubtful = readManifest(
    encode({
      ...IMAGE,
      annotations: { a: 1 },
      subject: 7,
      artifactType: [],
      layers: [null, { ...LAYER, size: -1, data: '?' }, { ...LAYER, digest: 'md5:0' }],
    }),
  )
  t.strictSame(doubtful.layers, [{ ...LAYER, size: 0, data: '?' }])
  t.notOk('annotations' in doubtful || 'subject' in doubtful || 'artifactType' in doubtful)
})

t.test('a stored document that names something by an unknown algorithm is marked, and only such a one', async (t) => {
  const other = { ...LAYER, digest: `sha384:${'0'.repeat(96)}` }
  const doubtful: unknown[] = [
    { ...IMAGE, config: other },
    { ...IMAGE, layers: [LAYER, other] },
    { ...IMAGE, subject: other },
    { ...INDEX, manifests: [other, CHILD] },
    { ...IMAGE, layers: [{ ...LAYER, digest: undefined, Digest: other.digest }] },
    { ...SCHEMA1, fsLayers: [{ blobSum: A }, { blobSum: other.digest }] },
  ]
  for (const document of doubtful) t.equal(readManifest(encode(document)).doubtful, true, JSON.stringify(document))
  const sure: unknown[] = [
    IMAGE,
    INDEX,
    SCHEMA1,
    { ...IMAGE, subject: {}, layers: [null, 7, { ...LAYER, digest: '' }] },
  ]
  for (const document of sure) t.notOk('doubtful' in readManifest(encode(document)), JSON.stringify(document))
})

t.test('a stored document of two shapes keeps its kind and shows all that it names', async (t) => {
  const manifest = readManifest(encode({ ...IMAGE, manifests: [CHILD] }))
  t.equal(manifest.kind, 'image')
  t.strictSame(manifest.manifests, [CHILD])
  t.equal(readManifest(encode({ ...INDEX, config: CONFIG, layers: [LAYER] })).kind, 'index')
})

const NO_MANIFEST: readonly (readonly [name: string, document: unknown])[] = [
  [
    'an image configuration',
    { architecture: 'amd64', os: 'linux', config: { Env: [] }, rootfs: { type: 'layers', diff_ids: [] } },
  ],
  ['an OCI layout file', { imageLayoutVersion: '1.0.0' }],
  ['schemaVersion 2 with nothing else', { schemaVersion: 2 }],
  ['schemaVersion 1 without layers', { schemaVersion: 1 }],
  ['schemaVersion 3', { ...IMAGE, schemaVersion: 3 }],
  ['an unknown mediaType', { ...IMAGE, mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }],
  ['a list', [IMAGE]],
  ['nothing', ''],
  ['a truncated manifest', JSON.stringify(IMAGE).slice(0, -9)],
  ['33 levels', `{"schemaVersion":2,"layers":[],"x":${'['.repeat(32)}${']'.repeat(32)}}`],
]

for (const [name, document] of NO_MANIFEST)
  t.test(`stored bytes with ${name} are no manifest`, async (t) => {
    t.equal(catchRefusal(() => readManifest(encode(document)))?.code, 'MANIFEST_INVALID')
  })

t.test('an image needs its config and the layers that have no urls', async (t) => {
  const urls = ['https://example.com/layer']
  const foreign = { ...LAYER, digest: C, urls }
  const image = parseManifest(
    encode({ ...IMAGE, subject: CHILD, layers: [LAYER, foreign, LAYER, { ...CONFIG, urls: [] }] }),
    OCI_MANIFEST,
  )
  t.strictSame(
    requiredBlobs(image).map(({ digest }) => digest),
    [A, B],
  )
  const twoSizes = parseManifest(encode({ ...IMAGE, layers: [LAYER, { ...LAYER, size: 2 }] }), OCI_MANIFEST)
  t.strictSame(
    requiredBlobs(twoSizes).map(({ size }) => size),
    [1, 1, 2],
    'a second size is a second claim',
  )
})

t.test('an index needs no blob', async (t) => {
  t.strictSame(requiredBlobs(parseManifest(encode({ ...INDEX, subject: CHILD }), OCI_INDEX)), [])
})

function describe(document: Json, contentType: string): unknown {
  const bytes = encode(document)
  return describeReferrer(parseManifest(bytes, contentType), digestOf(bytes), bytes.length)
}

function measure(document: Json): Json {
  return { digest: digestOf(encode(document)), size: encode(document).length }
}

t.test('a referrer is described by artifactType, else by config type, with all annotations', async (t) => {
  const annotations = { 'org.example.a': '1', '': '', __proto__x: '2' }
  const typed = { ...IMAGE, artifactType: 'x/y', annotations, subject: CHILD }
  t.strictSame(describe(typed, OCI_MANIFEST), {
    mediaType: OCI_MANIFEST,
    ...measure(typed),
    artifactType: 'x/y',
    annotations,
  })
  for (const untyped of [
    { ...IMAGE, subject: CHILD },
    { ...IMAGE, artifactType: '', subject: CHILD },
  ])
    t.strictSame(describe(untyped, OCI_MANIFEST), {
      mediaType: OCI_MANIFEST,
      ...measure(untyped),
      artifactType: CONFIG.mediaType,
    })
  const typedIndex = { ...INDEX, artifactType: 'x/z', subject: CHILD }
  t.strictSame(describe(typedIndex, OCI_INDEX), {
    mediaType: OCI_INDEX,
    ...measure(typedIndex),
    artifactType: 'x/z',
  })
  const index = { ...INDEX, subject: CHILD }
  t.strictSame(describe(index, OCI_INDEX), { mediaType: OCI_INDEX, ...measure(index) }, 'an index without has none')
})

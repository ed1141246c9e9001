// Manifests made to be read two ways, to exhaust a reader, or to be no manifests. Every one is refused, and
// nothing of it is kept. The blobs that they name are there, so that only the document itself is wrong.
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import type { HostileCase } from '../helpers/hostile.ts'
import { attack } from '../helpers/hostile.ts'
import type { Documents } from '../helpers/manifest-text.ts'
import { CONFIG, DIGEST, MIB, OTHER, ZERO, descriptor, image, index, layer, nest } from '../helpers/manifest-text.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, pushBlob } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const NO_JSON: Documents = {
  'an empty body': '',
  'white space': ' \n\t ',
  'a word': 'manifest',
  null: 'null',
  true: 'true',
  'a number': '2',
  'a string': '"manifest"',
  'an array': '[]',
  'an empty object': '{}',
  'a cut document': image().slice(0, -1),
  'a document cut in a string': image().slice(0, 20),
  'a trailing comma': image().replace(/}$/, ',}'),
  'trailing garbage': `${image()}x`,
  'two documents': image() + image(),
  'a comment': `/* */${image()}`,
  'single quotes': image().replaceAll('"', "'"),
  'an unquoted key': image().replace('"config"', 'config'),
  NaN: image('"x":NaN'),
  Infinity: image('"x":Infinity'),
  'a hexadecimal number': image('"x":0x10'),
  'a leading zero': image('"x":01'),
  'a raw line feed in a string': image('"x":"a\nb"'),
  'a raw NUL in a string': image('"x":"a\u0000b"'),
  'a bad escape': image('"x":"\\x41"'),
  'a cut escape': image('"x":"\\u12"'),
  'a byte order mark': `\ufeff${image()}`,
  'UTF-16': Buffer.from(image(), 'utf16le'),
  'invalid UTF-8': Buffer.concat([
    Buffer.from(image().slice(0, -1)),
    Buffer.from([0x2c, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  ]),
  'overlong UTF-8': Buffer.concat([Buffer.from('{"a'), Buffer.from([0xc0, 0xaf]), Buffer.from('":1}')]),
  'a surrogate in UTF-8': Buffer.concat([Buffer.from('{"a'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('":1}')]),
  gzip: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  'four megabytes of brackets': '['.repeat(4 * MIB),
  'four megabytes of objects': '{"a":'.repeat(800_000),
  'a million quotes': '"'.repeat(MIB),
  'a megabyte of backslashes': `"${'\\'.repeat(MIB)}"`,
}

const DEEP: Documents = {
  '33 arrays in an unknown member': image(`"x":${nest(33, '[', ']')}`),
  '33 objects in an unknown member': image(`"x":${'{"a":'.repeat(33)}1${'}'.repeat(33)}`),
  '1,000 arrays': image(`"x":${nest(1000, '[', ']')}`),
  '100,000 arrays': image(`"x":${nest(100_000, '[', ']')}`),
  '2,000,000 arrays': image(`"x":${nest(2_000_000, '[', ']')}`),
  '100,000 objects in annotations': image(`"annotations":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
  'deep before a duplicate': image(`"x":${nest(40, '[', ']')},"x":1`),
}

const TWICE: Documents = {
  'config twice': image(`"config":${ZERO}`),
  'layers twice': image('"layers":[]'),
  'mediaType twice': image(`"mediaType":"${OCI_MANIFEST}"`),
  'schemaVersion twice': image('"schemaVersion":2'),
  'manifests twice': index('"manifests":[]'),
  'subject twice': image(`"subject":${ZERO},"subject":${ZERO}`),
  'an unknown member twice': image('"x":1,"x":1'),
  'a key in annotations twice': image('"annotations":{"a":"1","a":"2"}'),
  'a digest in the config twice': image('', ZERO.replace('{', `{"digest":"${OTHER}",`)),
  'a size in a layer twice': layer(ZERO.replace('{', '{"size":1,')),
  'a member of a platform twice': index(
    '',
    `[{"mediaType":"${OCI_MANIFEST}","digest":"${OTHER}","size":1,"platform":{"os":"linux","os":"windows","architecture":"amd64"}}]`,
  ),
  'an escaped key that is the same key': image('"\\u006cayers":[]'),
  'an escaped key in an unknown object': image('"x":{"a":1,"\\u0061":2}'),
  'a duplicate deep inside': image('"x":[[[{"y":[{"a":1,"a":2}]}]]]'),
  '__proto__ twice': image('"__proto__":{},"__proto__":{}'),
  'the empty key twice': image('"":1,"":2'),
}

const CASES: Documents = {
  Layers: image('"Layers":[]'),
  LAYERS: image('"LAYERS":[]'),
  Config: image(`"Config":${ZERO}`),
  MediaType: image(`"MediaType":"${OCI_INDEX}"`),
  mediatype: image(`"mediatype":"${OCI_INDEX}"`),
  SchemaVersion: image('"SchemaVersion":2'),
  Subject: image(`"Subject":${ZERO}`),
  Annotations: image('"Annotations":{}'),
  ArtifactType: image('"ArtifactType":"x/y"'),
  'Manifests in an image': image('"Manifests":[]'),
  'Manifests in an index': index('"Manifests":[]'),
  'a long s in layers': image('"layer\u017f":[]'),
  'Digest in the config': image('', ZERO.replace('{', `{"Digest":"${OTHER}",`)),
  'SIZE in a layer': layer(ZERO.replace('{', '{"SIZE":1,')),
  'URLs in a layer': layer(ZERO.replace('{', '{"URLs":["https://x.example/"],')),
  'Data in a layer': layer(ZERO.replace('{', '{"Data":"AA==",')),
  'MediaType in a child': index('', `[${ZERO.replace('{', '{"MediaType":"x/y",')}]`),
  'Platform in a child': index('', `[${ZERO.replace('{', '{"Platform":{},')}]`),
  'an escaped capital': image('"\\u004cayers":[]'),
  'layers only as Layers': image().replace('"layers"', '"Layers"'),
}

const SHAPES: Documents = {
  'layers and manifests': image('"manifests":[]'),
  'manifests with a config': index(`"config":${ZERO}`),
  'manifests with layers': index('"layers":[]'),
  'image and index with content': image(`"manifests":[${ZERO}]`),
  'fsLayers in an image': image('"fsLayers":[{"blobSum":"x"}]'),
  'an image without layers member': image().replace(/,"layers":\[\]/, ''),
  'an image without config': image().replace(/"config":\{[^}]*\},/, ''),
  'an index typed as an image': index().replace(OCI_INDEX, OCI_MANIFEST),
  'an image typed as an index': image().replace(`"mediaType":"${OCI_MANIFEST}"`, `"mediaType":"${OCI_INDEX}"`),
  'another mediaType than the Content-Type': image().replace(OCI_MANIFEST, DOCKER_MANIFEST),
  'an unknown mediaType': image().replace(OCI_MANIFEST, 'application/x-tar'),
  'mediaType as a number': image().replace(`"${OCI_MANIFEST}"`, '2'),
  'mediaType as an array': image().replace(`"${OCI_MANIFEST}"`, `["${OCI_MANIFEST}"]`),
  'schemaVersion 1': image().replace('"schemaVersion":2', '"schemaVersion":1'),
  'schemaVersion 3': image().replace('"schemaVersion":2', '"schemaVersion":3'),
  'schemaVersion as text': image().replace('"schemaVersion":2', '"schemaVersion":"2"'),
  'no schemaVersion': image().replace('"schemaVersion":2,', ''),
  'layers as an object': image('', ZERO, '{}'),
  'layers as a string': image('', ZERO, '"x"'),
  'layers as a number': image('', ZERO, '1'),
  'a layer that is null': layer('null'),
  'a layer that is a string': layer(`"${DIGEST}"`),
  'a layer that is an array': layer('[]'),
  'config as an array': image('', '[]'),
  'config as a string': image('', `"${DIGEST}"`),
  'manifests as an object': index('', '{}'),
  'manifests as a string': index('', '"x"'),
  'a child that is a number': index('', '[1]'),
  'annotations as an array': image('"annotations":[]'),
  'annotations with a number': image('"annotations":{"a":1}'),
  'annotations with an object': image('"annotations":{"a":{}}'),
  'artifactType as a number': image('"artifactType":1'),
  'subject as a string': image(`"subject":"${DIGEST}"`),
  'subject as an array': image('"subject":[]'),
  'a platform as a string': index('', `[${ZERO.replace('{', '{"platform":"linux",')}]`),
}

const DESCRIPTORS: Documents = Object.fromEntries(
  Object.entries({
    'no digest': { digest: undefined },
    'a digest that is null': { digest: null },
    'a digest that is a number': { digest: 1 },
    'a short digest': { digest: 'sha256:abc' },
    'a digest of words': { digest: 'sha256:baddigeststring' },
    'an upper-case digest': { digest: DIGEST.toUpperCase() },
    'an unknown algorithm': { digest: `md5:${'a'.repeat(32)}` },
    'a digest that climbs': { digest: 'sha256:../../../../etc/passwd' },
    'no size': { size: undefined },
    'a size that is null': { size: null },
    'a negative size': { size: -1 },
    'a broken size': { size: 1.5 },
    'a size of text': { size: '14' },
    'a size beyond 2^53': { size: 2 ** 60 },
    'a size that is an array': { size: [14] },
    'a size that is not the blob’s': { size: CONFIG.length + 1 },
    'no mediaType': { mediaType: undefined },
    'a mediaType that is a number': { mediaType: 1 },
    'urls that are text': { urls: 'https://x.example/' },
    'urls that hold numbers': { urls: [1] },
    'data that is no base64': { data: '***' },
    'data that is something else': { data: Buffer.from('{"os":"other"}').toString('base64') },
    'data that is a number': { data: 1 },
    'annotations that hold numbers': { annotations: { a: 1 } },
  }).map(([name, change]) => [name, layer(descriptor(change))]),
)

const SIZES: Documents = {
  'four MiB and one byte': image(`"x":"${'x'.repeat(4 * MIB - image('"x":""').length + 1)}"`),
  'five MiB of spaces': image() + ' '.repeat(5 * MIB),
  'sixteen MiB': image(`"x":"${'x'.repeat(16 * MIB)}"`),
}

const toCases = (documents: Documents, rest: Partial<HostileCase>): HostileCase[] =>
  Object.entries(documents).map(([name, body]) => ({
    name,
    method: 'PUT',
    path: '/v2/a/manifests/bomb',
    headers: [
      `Content-Type: ${body.toString().includes('"manifests":') && !body.toString().includes('"config":') ? OCI_INDEX : OCI_MANIFEST}`,
    ],
    body,
    status: [400],
    ...rest,
  }))

const chunked = (body: Buffer | string): Buffer =>
  Buffer.concat([
    Buffer.from(`${Buffer.byteLength(body).toString(16)}\r\n`),
    Buffer.from(body),
    Buffer.from('\r\n0\r\n\r\n'),
  ])

for (const [what, documents, rest] of [
  ['what is no manifest', NO_JSON, { code: ['MANIFEST_INVALID'] }],
  ['depth', DEEP, { code: ['MANIFEST_INVALID'] }],
  ['duplicate keys', TWICE, { code: ['MANIFEST_INVALID'] }],
  ['case variants of the specification’s own members', CASES, { code: ['MANIFEST_INVALID'] }],
  ['two shapes and wrong kinds', SHAPES, { code: ['MANIFEST_INVALID'] }],
  ['descriptors', DESCRIPTORS, { code: ['MANIFEST_INVALID', 'DIGEST_INVALID', 'SIZE_INVALID'] }],
  ['size', SIZES, { status: [413], code: ['SIZE_INVALID'] }],
] as const) {
  t.test(`manifests refused for ${what}`, async (t) => {
    const tarn = await startTarn(t)
    const client = openClient(tarn)
    await pushBlob(client, 'a', CONFIG)
    client.close()
    const cases = toCases(documents, rest)
    await attack(t, tarn, cases)
    await attack(
      t,
      tarn,
      cases.map((one) => ({
        ...one,
        name: `${one.name}, chunked and by digest`,
        path: `/v2/a/manifests/${hashOf(Buffer.from(one.body ?? ''))}`,
        headers: [...(one.headers ?? []), 'Transfer-Encoding: chunked'],
        body: Buffer.byteLength(one.body ?? '') === 0 ? '0\r\n\r\n' : chunked(one.body ?? ''),
      })),
    )
  })
}

// The fields of a manifest's objects: every spelling that Go's parser would take for one is refused.
import fc from 'fast-check'
import t from 'tap'
import { nameFields, openFields } from '../../src/oci/field.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts'
import type { Json } from '../fixtures/manifest-parts.ts'
import {
  CHILD,
  FULL_DESCRIPTOR,
  FULL_IMAGE,
  IMAGE,
  INDEX,
  catchRefusal,
  encode,
  renameMember,
} from '../fixtures/manifest-parts.ts'

/** Every spelling that Go's encoding/json takes for `name`, by the choices that `pick` makes. */
function respell(name: string, pick: (below: number) => number): string {
  return name
    .split('')
    .map((letter) => {
      const spellings = [letter, letter.toLowerCase(), letter.toUpperCase()]
      if (letter.toLowerCase() === 's') spellings.push('\u017f')
      if (letter.toLowerCase() === 'k') spellings.push('\u212a')
      return spellings[pick(spellings.length)] ?? letter
    })
    .join('')
}

t.test('a case variant of a field is refused wherever that field stands', async (t) => {
  const places: readonly (readonly [string, Json, (part: Json) => [Json, string]])[] = [
    ['an image', FULL_IMAGE, (part) => [part, OCI_MANIFEST]],
    ['an index', { ...INDEX, subject: CHILD, annotations: {}, artifactType: 'x/y' }, (part) => [part, OCI_INDEX]],
    ['a config', FULL_DESCRIPTOR, (part) => [{ ...IMAGE, config: part }, OCI_MANIFEST]],
    ['a layer', FULL_DESCRIPTOR, (part) => [{ ...IMAGE, layers: [part] }, OCI_MANIFEST]],
    ['a subject', FULL_DESCRIPTOR, (part) => [{ ...IMAGE, subject: part }, OCI_MANIFEST]],
    ['a child', FULL_DESCRIPTOR, (part) => [{ ...INDEX, manifests: [part] }, OCI_INDEX]],
    [
      'a platform',
      FULL_DESCRIPTOR.platform,
      (part) => [{ ...INDEX, manifests: [{ ...CHILD, platform: part }] }, OCI_INDEX],
    ],
  ]
  for (const [place, part, build] of places)
    for (const name of Object.keys(part)) {
      const [whole, contentType] = build(part)
      t.ok(parseManifest(encode(whole), contentType), `${place} is sound`)
      fc.assert(
        fc.property(fc.infiniteStream(fc.nat()), fc.boolean(), (stream, isExtra) => {
          const variant = respell(name, (below) => (stream.next().value ?? 0) % below)
          fc.pre(variant !== name)
          const changed = isExtra ? { ...part, [variant]: part[name] } : renameMember(part, name, variant)
          const [document] = build(changed)
          const refusal = catchRefusal(() => parseManifest(encode(document), contentType))
          return refusal?.code === 'MANIFEST_INVALID' && refusal.message.endsWith(`write it "${name}"`)
        }),
        { numRuns: 40 },
      )
    }
})

t.test('a case variant of fsLayers, which would be a second shape, is refused', async (t) => {
  const refusal = catchRefusal(() => parseManifest(encode({ ...IMAGE, FSLAYERS: [] }), OCI_MANIFEST))
  t.match(refusal?.message, /write it "fsLayers"/)
})

t.test('no other character stands for a letter', async (t) => {
  const letters = 'abcdefghijklmnopqrstuvwxyz'.split('')
  const others: Record<string, number> = {}
  for (let code = 0x80; code <= 0xffff; code++) others[String.fromCharCode(code)] = code
  const fields = openFields({ path: '', strictness: 'tolerant' }, others, nameFields(...letters))
  // Go's simple folding, too, takes just these two beyond ASCII to a letter of ASCII.
  t.strictSame(fields, { s: 0x17f, k: 0x212a })
})

t.test('the long s and the Kelvin sign stand for s and k', async (t) => {
  const names = nameFields('kinds')
  t.strictSame(openFields({ path: '', strictness: 'tolerant' }, { '\u212aIND\u017f': 1 }, names), {
    kinds: 1,
  })
  const refusal = catchRefusal(() => openFields({ path: 'x', strictness: 'strict' }, { '\u212aIND\u017f': 1 }, names))
  t.match(refusal?.message, /x holds ".IND.": write it "kinds"$/)
})

t.test('a tolerant reading takes the last of two spellings, and leaves other names out', async (t) => {
  const names = nameFields('os', 'size')
  const value = { os: 1, other: 2, OS: 3, SIZE: 4, size: 5 }
  t.strictSame(openFields({ path: '', strictness: 'tolerant' }, value, names), { os: 3, size: 5 })
})

// Bundles that lie: in their index, against their index, or in their signature. Each for one reason.
import { generateKeyPairSync } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import type { BundleIndex } from '../../src/bundle/bundle-index.ts'
import { LARGEST_INDEX } from '../../src/bundle/index-file.ts'
import { signIndex } from '../../src/bundle/signature.ts'
import { TAR_END, writeHeader } from '../../src/bundle/tar-header.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { BundleOptions } from './bundle.ts'
import { makeBundle } from './bundle.ts'
import type { TestImage } from './data-tar.ts'
import { filled, imageEntries, rawEntry, rawHeader, tarOf, testImage } from './data-tar.ts'
import type { HostileArchive } from './hostile-archives.ts'

export const IMAGES = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
const KEY = generateKeyPairSync('ed25519').privateKey
const CREATED = 1_700_000_000
const { index: INDEX, indexBytes: TEXT } = makeBundle(IMAGES)
const BLOCK = 512

const bundle = (options: BundleOptions = {}): Buffer => makeBundle(IMAGES, options).parts[0] as Buffer
const indexPath = (id: string): string => `data/.tarn/state/bundles/${id}.json`

/** The whole tar with another text in the place of its index. */
function withText(text: string | Buffer, id: string = INDEX.id): Buffer {
  const bytes = Buffer.from(text as string)
  const header = writeHeader({ name: indexPath(id), size: bytes.byteLength, time: CREATED })
  const whole = bundle()
  const rest = whole.subarray(BLOCK + filled(TEXT).byteLength)
  return Buffer.concat([header, filled(bytes), rest])
}

const withJson = (change: (index: Record<string, unknown>) => void): Buffer => {
  const value = JSON.parse(TEXT.toString()) as Record<string, unknown>
  change(value)
  return withText(`${canonical(value)}\n`)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`
}

type Blob = Record<string, unknown>
const blobs = (index: Record<string, unknown>): Blob[] => index['blobs'] as Blob[]
const repositories = (index: Record<string, unknown>): Record<string, unknown>[] =>
  index['repositories'] as Record<string, unknown>[]

/** An index that contradicts nothing and means something else than its writer would: made with its right id. */
const withIndex = (change: (index: BundleIndex) => Omit<BundleIndex, 'id'>): Buffer => bundle({ change })

/** Entries of the good bundle: header and content, one after the other. */
function split(whole: Buffer): Buffer[] {
  const entries: Buffer[] = []
  let from = 0
  for (let at = 0; at < whole.length - TAR_END;) {
    const size = Number.parseInt(whole.toString('latin1', at + 124, at + 135), 8)
    const end = at + BLOCK + Math.ceil(size / BLOCK) * BLOCK
    // A long name belongs to the entry after it.
    if (whole.toString('latin1', at + 156, at + 157) !== 'L') {
      entries.push(whole.subarray(from, end))
      from = end
    }
    at = end
  }
  return entries
}

const withEntries = (change: (entries: Buffer[]) => Buffer[]): Buffer =>
  Buffer.concat([...change(split(bundle())), Buffer.alloc(TAR_END)])

/** Changes one byte field of the header of an entry and makes its checksum right again. */
function withField(at: number, offset: number, text: string): Buffer {
  return withEntries((entries) =>
    entries.map((entry, number) => {
      if (number !== at) return entry
      const changed = Buffer.from(entry)
      // The last header before the content: behind a long name, if there is one.
      const start = changed.toString('latin1', 156, 157) === 'L' ? 2 * BLOCK : 0
      changed.write(text, start + offset, 'latin1')
      changed.write('        ', start + 148)
      const sum = changed.subarray(start, start + BLOCK).reduce((total, byte) => total + byte, 0)
      changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, start + 148)
      return changed
    }),
  )
}

const [FIRST] = IMAGES as [TestImage, TestImage]
const firstBlob = FIRST.layers[0] as Buffer
const signed = (sign: (index: Buffer) => string): Buffer => bundle({ sign })
const other = generateKeyPairSync('ed25519').privateKey

export const HOSTILE_BUNDLES: readonly HostileArchive[] = [
  {
    name: 'a tar of a data directory',
    says: /no bundle/,
    make: () => tarOf(...IMAGES.flatMap((image) => imageEntries(image))),
  },
  { name: 'an empty tar', says: /ends before the index/, make: () => tarOf() },
  { name: 'an index alone', says: /ends before/, make: () => withEntries((entries) => entries.slice(0, 1)) },
  {
    name: 'an index that is a link',
    says: /symbolic link|no bundle/,
    make: () =>
      withEntries((entries) => [
        rawEntry({ name: `data/.tarn/state/bundles/x.json`, type: '2', link: '/etc/passwd' }),
        ...entries,
      ]),
  },
  {
    name: 'an index that does not come first',
    says: /no bundle/,
    make: () => withEntries(([a, b, ...rest]) => [b as Buffer, a as Buffer, ...rest]),
  },
  {
    name: 'an index in another place',
    says: /no bundle/,
    make: () =>
      withEntries(([, ...rest]) => [rawEntry({ name: `.tarn/state/bundles/${INDEX.id}.json` }, TEXT), ...rest]),
  },
  { name: 'an index under another id', says: /not named by the id/, make: () => withText(TEXT, 'f'.repeat(64)) },
  {
    name: 'an index of a gigabyte',
    says: /index of the bundle has/,
    make: () =>
      Buffer.concat([writeHeader({ name: indexPath(INDEX.id), size: 1 << 30, time: CREATED }), Buffer.alloc(4096)]),
  },
  {
    name: 'an index just above its limit',
    says: /index of the bundle has/,
    make: () => withText(Buffer.alloc(LARGEST_INDEX + 1, 0x20)),
  },
  { name: 'an empty index', says: /index/, make: () => withText('') },
  { name: 'an index that is no JSON', says: /JSON|index/, make: () => withText('{"format":') },
  { name: 'an index of NULs', says: /JSON|index/, make: () => withText(Buffer.alloc(100)) },
  { name: 'an index that is a list', says: /object/, make: () => withText('[]\n') },
  {
    name: 'an index that is no UTF-8',
    says: /UTF-8|index/,
    make: () => withText(Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')])),
  },
  {
    name: 'an index with a byte order mark',
    says: /JSON|index/,
    make: () => withText(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), TEXT])),
  },
  { name: 'an index a thousand deep', says: /deeper|index/, make: () => withText('['.repeat(100_000)) },
  {
    name: 'an index of a million values',
    says: /values|index/,
    make: () => withText(`[${'0,'.repeat(1_000_000)}0]\n`),
  },
  { name: 'an index with spaces', says: /one form/, make: () => withText(TEXT.toString().replace('":', '": ')) },
  { name: 'an index without its last newline', says: /one form/, make: () => withText(TEXT.toString().trimEnd()) },
  {
    name: 'an index with keys in another order',
    says: /one form/,
    make: () =>
      withText(
        `${JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(TEXT.toString()) as object).toReversed()))}\n`,
      ),
  },
  {
    name: 'an index with a key twice',
    says: /twice/,
    make: () => withText(TEXT.toString().replace('"format":', '"format":"tarn-bundle/1","format":')),
  },
  {
    name: 'an index with an escaped key twice',
    says: /twice/,
    make: () => withText(TEXT.toString().replace('"format":', '"\\u0066ormat":"x","format":')),
  },
  {
    name: 'an index with __proto__',
    says: /__proto__|not known|member/i,
    make: () => withText(TEXT.toString().replace('{"blobs"', '{"__proto__":{"parts":9},"blobs"')),
  },
  {
    name: 'a member that is not listed',
    says: /extra|member|known/i,
    make: () => withJson((index) => (index['extra'] = 1)),
  },
  {
    name: 'a member in capitals',
    says: /Blobs|member|known/,
    make: () => withJson((index) => (index['Blobs'] = index['blobs'])),
  },
  {
    name: 'another format',
    says: /of the format/,
    make: () => withJson((index) => (index['format'] = 'tarn-bundle/2')),
  },
  { name: 'a format that is a number', says: /format/, make: () => withJson((index) => (index['format'] = 1)) },
  { name: 'no format', says: /format/, make: () => withJson((index) => delete index['format']) },
  { name: 'an id of other content', says: /id/, make: () => withJson((index) => (index['id'] = 'a'.repeat(64))) },
  {
    name: 'an id with a way out',
    says: /id/,
    make: () => withJson((index) => (index['id'] = `../../${'a'.repeat(58)}`)),
  },
  { name: 'no parts', says: /parts/, make: () => withJson((index) => (index['parts'] = 0)) },
  { name: 'a million parts', says: /parts/, make: () => withJson((index) => (index['parts'] = 1_000_000)) },
  { name: 'half a part', says: /parts/, make: () => withJson((index) => (index['parts'] = 1.5)) },
  { name: 'a sequence of zero', says: /sequence/, make: () => withJson((index) => (index['sequence'] = 0)) },
  { name: 'a sequence beyond all', says: /sequence/, make: () => withJson((index) => (index['sequence'] = 1e300)) },
  { name: 'a time that is none', says: /created/, make: () => withJson((index) => (index['created'] = 'yesterday')) },
  {
    name: 'a time in another zone',
    says: /created/,
    make: () => withJson((index) => (index['created'] = '2023-11-14T22:13:20+01:00')),
  },
  { name: 'a sum that is wrong', says: /one form/, make: () => withJson((index) => (index['bytes'] = 1)) },
  { name: 'a lie about plain tar', says: /one form/, make: () => withJson((index) => (index['plainTar'] = false)) },
  { name: 'no blobs', says: /blobs|repositor|manifest/, make: () => withJson((index) => (index['blobs'] = [])) },
  { name: 'blobs that are a text', says: /blobs/, make: () => withJson((index) => (index['blobs'] = 'all')) },
  {
    name: 'a blob of a negative size',
    says: /size/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['size'] = -1)),
  },
  {
    name: 'a blob of half a byte',
    says: /size/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['size'] = 0.5)),
  },
  {
    name: 'a blob of more bytes than a number holds',
    says: /size/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['size'] = 2 ** 60)),
  },
  {
    name: 'a blob whose size is a text',
    says: /size/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['size'] = '3000')),
  },
  {
    name: 'a digest in capitals',
    says: /digest/,
    make: () =>
      withJson(
        (index) => ((blobs(index)[0] as Blob)['digest'] = String((blobs(index)[0] as Blob)['digest']).toUpperCase()),
      ),
  },
  {
    name: 'a digest of md5',
    says: /digest/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['digest'] = `md5:${'a'.repeat(32)}`)),
  },
  {
    name: 'a digest with a way out',
    says: /digest/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['digest'] = 'sha256:../../../../etc/passwd')),
  },
  { name: 'a blob twice', says: /twice/, make: () => withJson((index) => blobs(index).push(blobs(index)[0] as Blob)) },
  {
    name: 'a blob in a part that is not',
    says: /part/,
    make: () => withJson((index) => ((blobs(index)[0] as Blob)['part'] = 7)),
  },
  {
    name: 'a blob without a part',
    says: /part/,
    make: () => withJson((index) => delete (blobs(index)[0] as Blob)['part']),
  },
  {
    name: 'a blob that nobody uses',
    says: /uses/,
    make: () =>
      withIndex((index) => ({
        ...index,
        blobs: [...index.blobs, { digest: digestOf(Buffer.from('x')), size: 1, part: 1 }],
      })),
  },
  {
    name: 'needed blobs among the others',
    says: /out of order/,
    make: () =>
      withIndex((index) => ({
        ...index,
        blobs: index.blobs.map((blob, at) => (at === 1 ? { ...blob, part: 0 } : blob)),
      })),
  },
  { name: 'no repositories', says: /no image/, make: () => withIndex((index) => ({ ...index, repositories: [] })) },
  {
    name: 'a repository with a way out',
    says: /name/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['name'] = '../../etc')),
  },
  {
    name: 'a repository with an absolute name',
    says: /name/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['name'] = '/etc')),
  },
  {
    name: 'a repository with a name of the store',
    says: /name/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['name'] = 'team/_layers')),
  },
  {
    name: 'a repository in capitals',
    says: /name/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['name'] = 'Team/A')),
  },
  {
    name: 'a repository of 300 characters',
    says: /name/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['name'] = 'a'.repeat(300))),
  },
  {
    name: 'a repository twice',
    says: /out of order/,
    make: () =>
      withIndex((index) => ({ ...index, repositories: [...index.repositories, ...index.repositories.slice(-1)] })),
  },
  {
    name: 'repositories in another order',
    says: /out of order/,
    make: () => withIndex((index) => ({ ...index, repositories: index.repositories.toReversed() })),
  },
  { name: 'a tag with a way out', says: /tag/, make: () => withIndex((index) => withTag(index, '../../x')) },
  { name: 'a tag with a slash', says: /tag/, make: () => withIndex((index) => withTag(index, 'a/b')) },
  { name: 'an empty tag', says: /tag/, make: () => withIndex((index) => withTag(index, '')) },
  { name: 'a tag of 200 characters', says: /tag/, make: () => withIndex((index) => withTag(index, 'a'.repeat(200))) },
  { name: 'a tag with the end of a line', says: /tag/, make: () => withIndex((index) => withTag(index, 'a\nb')) },
  {
    name: 'a tag twice',
    says: /twice|out of order/,
    make: () =>
      withJson((index) => ((((repositories(index)[0] as Blob)['images'] as Blob[])[0] as Blob)['tags'] = ['v1', 'v1'])),
  },
  {
    name: 'an image that is no manifest of its repository',
    says: /none of the repository/,
    make: () =>
      withJson((index) => ((((repositories(index)[0] as Blob)['images'] as Blob[])[0] as Blob)['manifest'] = 0)),
  },
  {
    name: 'a place beyond the blobs',
    says: /layers|manifests/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['layers'] = [99_999])),
  },
  {
    name: 'a negative place',
    says: /layers/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['layers'] = [-1])),
  },
  {
    name: 'places out of order',
    says: /out of order/,
    make: () =>
      withIndex((index) => ({
        ...index,
        repositories: index.repositories.map((one) => ({ ...one, layers: one.layers.toReversed() })),
      })),
  },
  {
    name: 'a repository without an image',
    says: /no image/,
    make: () => withJson((index) => ((repositories(index)[0] as Blob)['images'] = [])),
  },
  {
    name: 'a layer that is called a manifest',
    says: /is no manifest/,
    make: () =>
      withIndex((index) => ({
        ...index,
        repositories: index.repositories.map((one) => ({
          ...one,
          manifests: [...one.manifests, ...one.layers].toSorted((a, b) => a - b),
        })),
      })),
  },
  {
    name: 'a layer that the index leaves out',
    says: /leaves out|uses/,
    make: () =>
      withIndex((index) => ({
        ...index,
        repositories: index.repositories.map((one, at) =>
          at === 0
            ? { ...one, layers: one.layers.slice(0, -1) }
            : { ...one, layers: index.repositories.flatMap(({ layers }) => layers).toSorted((a, b) => a - b) },
        ),
      })),
  },
  {
    name: 'slices that are larger than their blob',
    says: /slice/,
    make: () =>
      withJson((index) => {
        const [blob] = blobs(index)
        delete (blob as Blob)['part']
        ;(blob as Blob)['slices'] = [{ digest: digestOf(firstBlob), size: 9999, part: 1 }]
      }),
  },
  {
    name: 'a slice of nothing',
    says: /size|slice/,
    make: () =>
      withJson((index) => {
        const [blob] = blobs(index)
        delete (blob as Blob)['part']
        ;(blob as Blob)['slices'] = [{ digest: digestOf(firstBlob), size: 0, part: 1 }]
      }),
  },
  {
    name: 'a part that is called another',
    says: /which of its 1 parts/,
    make: () =>
      withEntries((entries) =>
        entries.map((entry, at) =>
          at === 1 ? rawHeader({ name: `data/.tarn/state/bundles/${INDEX.id}.part-0002-of-0001` }) : entry,
        ),
      ),
  },
  {
    name: 'a part that is called nothing',
    says: /which of its 1 parts/,
    make: () => withEntries((entries) => entries.filter((_, at) => at !== 1)),
  },
  {
    name: 'a part with bytes in its name’s file',
    says: /has another header|has 4 bytes/,
    make: () =>
      withEntries((entries) =>
        entries.map((entry, at) =>
          at === 1 ? rawEntry({ name: `data/.tarn/state/bundles/${INDEX.id}.part-0001-of-0001` }, 'more') : entry,
        ),
      ),
  },
  {
    name: 'a blob with other bytes',
    says: /other bytes than its name says/,
    make: () =>
      bundle({ bytesFor: (digest) => (digest === digestOf(firstBlob) ? Buffer.alloc(firstBlob.length) : undefined) }),
  },
  {
    name: 'a manifest with other bytes',
    says: /other bytes than its name says/,
    make: () =>
      bundle({
        bytesFor: (digest) => (digest === FIRST.digest ? Buffer.alloc(FIRST.manifest.length, 0x20) : undefined),
      }),
  },
  {
    name: 'a blob that is missing',
    says: /stands where the index has/,
    make: () => withEntries((entries) => entries.filter((_, at) => at !== 2)),
  },
  {
    name: 'a blob too much',
    says: /stands where the index has/,
    make: () =>
      withEntries((entries) => [...entries.slice(0, 2), rawEntry({ name: 'data/x' }, 'x'), ...entries.slice(2)]),
  },
  {
    name: 'an entry behind the last',
    says: /not in the index/,
    make: () => withEntries((entries) => [...entries, rawEntry({ name: 'data/.tarn/state/x' }, 'x')]),
  },
  {
    name: 'blobs in another order',
    says: /stands where the index has/,
    make: () =>
      withEntries((entries) => [entries[0], entries[1], entries[3], entries[2], ...entries.slice(4)] as Buffer[]),
  },
  {
    name: 'a blob twice in the tar',
    says: /stands where the index has/,
    make: () => withEntries((entries) => [...entries.slice(0, 3), entries[2] as Buffer, ...entries.slice(3)]),
  },
  {
    name: 'tags before blobs',
    says: /stands where the index has/,
    make: () => withEntries((entries) => [entries[0], entries[1], entries.at(-1), ...entries.slice(2, -1)] as Buffer[]),
  },
  {
    name: 'a directory that belongs to nobody',
    says: /stands where the index has/,
    make: () =>
      withEntries((entries) => [
        entries[0] as Buffer,
        entries[1] as Buffer,
        rawHeader({ name: 'data/docker/', type: '5' }),
        ...entries.slice(2),
      ]),
  },
  {
    name: 'a symbolic link in the place of a blob',
    says: /symbolic link|has another header/,
    make: () => withField(2, 156, '2'),
  },
  {
    name: 'a device in the place of a blob',
    says: /character device|has 3000 bytes/,
    make: () => withField(2, 156, '3'),
  },
  {
    name: 'a link that holds another digest',
    says: /does not hold/,
    make: () =>
      withEntries((entries) =>
        entries.map((entry, at) => (at === entries.length - 1 ? flip(entry, entry.length - BLOCK + 20) : entry)),
      ),
  },
  { name: 'a blob for everybody to write', says: /another header/, make: () => withField(2, 100, '0000777') },
  { name: 'a blob that sets its user', says: /another header/, make: () => withField(2, 100, '0004755') },
  { name: 'a blob of another user', says: /another header/, make: () => withField(2, 108, '0001750') },
  { name: 'a blob of another time', says: /another header/, make: () => withField(2, 136, '77777777777') },
  { name: 'a blob of a user’s name', says: /another header/, make: () => withField(2, 265, 'root') },
  { name: 'a blob whose header names a link', says: /another header/, make: () => withField(2, 157, '/etc/passwd') },
  {
    name: 'a blob that is shorter than the index says',
    says: /bytes, and the index says/,
    make: () =>
      withEntries((entries) =>
        entries.map((entry, at) => (at === 2 ? rawEntry({ name: nameOf(entry) }, 'short') : entry)),
      ),
  },
  {
    name: 'a blob of a terabyte by its header',
    says: /bytes, and the index says/,
    make: () =>
      Buffer.concat([
        ...split(bundle()).slice(0, 2),
        writeHeader({ name: nameOf(split(bundle())[2] as Buffer), size: 2 ** 40, time: CREATED }),
      ]),
  },
  {
    name: 'a blob of eight petabytes by its index',
    says: /are free|lacks its last|bytes/,
    make: () =>
      withIndex((index) => ({
        ...index,
        blobs: index.blobs.map((blob, at) => (at === 0 ? { ...blob, size: 2 ** 53 - 1 } : blob)),
      })),
  },
  {
    name: 'a manifest of a gigabyte by its index',
    says: /too large for a manifest/,
    make: () =>
      withIndex((index) => ({
        ...index,
        blobs: index.blobs.map((blob) => (blob.digest === IMAGES[0]?.digest ? { ...blob, size: 1 << 30 } : blob)),
      })),
  },
  {
    name: 'zeros behind the end',
    says: /goes on with empty blocks/,
    make: () => Buffer.concat([bundle(), Buffer.alloc(BLOCK)]),
  },
  { name: 'another bundle behind the end', says: /follows the end/, make: () => Buffer.concat([bundle(), bundle()]) },
  { name: 'no end', says: /missing/, make: () => bundle().subarray(0, -TAR_END) },
  {
    name: 'a gigabyte of zeros behind the end, packed',
    says: /goes on with empty blocks/,
    make: () => zstdCompressSync(Buffer.concat([bundle(), Buffer.alloc(1 << 30)])),
  },
  {
    name: 'a pax header before a blob',
    says: /another header/,
    make: () =>
      withEntries(
        (entries) =>
          [entries[0], entries[1], rawEntry({ name: 'x', type: 'x' }, '11 mtime=1\n'), ...entries.slice(2)] as Buffer[],
      ),
  },
  { name: 'a signature that is none', says: /no SSH signature/, make: () => signed(() => 'trust me') },
  {
    name: 'a signature of other bytes',
    says: /not that of the index/,
    make: () => signed(() => signIndex(Buffer.from('something else'), KEY)),
  },
  {
    name: 'a signature with a flipped bit',
    says: /signature/,
    make: () => signed((index) => flipText(signIndex(index, KEY))),
  },
  {
    name: 'a signature of PGP',
    says: /no SSH signature/,
    make: () => signed(() => '-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n'),
  },
  { name: 'an empty signature', says: /no SSH signature/, make: () => signed(() => '') },
  {
    name: 'a signature of a megabyte',
    says: /signature of the bundle has/,
    make: () => signed(() => 'A'.repeat(1 << 20)),
  },
  {
    name: 'a signature for files',
    says: /signature is for "file"/,
    make: () => signed((index) => renamespaced(signIndex(index, KEY))),
  },
  {
    name: 'a signature by a key that another one claims',
    says: /signature/,
    make: () => signed((index) => mixed(signIndex(index, KEY), signIndex(index, other))),
  },
]

function withTag(index: BundleIndex, tag: string): Omit<BundleIndex, 'id'> {
  const [first, ...rest] = index.repositories
  if (first === undefined) throw new Error('there is no repository')
  const images = first.images.map((image) => ({ ...image, tags: [tag as Tag] }))
  return { ...index, repositories: [{ ...first, images }, ...rest] }
}

function nameOf(entry: Buffer): string {
  const long = entry.toString('latin1', 156, 157) === 'L'
  const text = long ? entry.toString('latin1', BLOCK, 2 * BLOCK) : entry.toString('latin1', 345, 500)
  const [prefix = ''] = text.split('\0')
  if (long) return prefix
  const [name = ''] = entry.toString('latin1', 0, 100).split('\0')
  return prefix === '' ? name : `${prefix}/${name}`
}

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

const rearmour = (bytes: Buffer): string =>
  `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64')}\n-----END SSH SIGNATURE-----\n`
const bytesOfSignature = (text: string): Buffer => Buffer.from(text.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64')

function flipText(text: string): string {
  const bytes = bytesOfSignature(text)
  return rearmour(flip(bytes, bytes.length - 10))
}

/** The same signature in the namespace that ssh-keygen uses for files. */
function renamespaced(text: string): string {
  const bytes = bytesOfSignature(text)
  const at = bytes.indexOf('tarn-bundle')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(4)
  return rearmour(Buffer.concat([bytes.subarray(0, at - 4), length, Buffer.from('file'), bytes.subarray(at + 11)]))
}

/** The key of one with the signature of another. */
function mixed(one: string, two: string): string {
  const [a, b] = [bytesOfSignature(one), bytesOfSignature(two)]
  const at = a.indexOf('tarn-bundle')
  return rearmour(Buffer.concat([a.subarray(0, at), b.subarray(at)]))
}

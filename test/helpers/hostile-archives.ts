// Archives that no honest program writes, each for one reason. The bytes are made when a test asks for them.
import { constants, createZstdCompress, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '../../src/oci/digest.ts'
import {
  blobPath,
  imageEntries,
  layerPath,
  paxEntry,
  rawEntry,
  rawHeader,
  revisionPath,
  tagPath,
  tarOf,
  testImage,
} from './data-tar.ts'

export interface HostileArchive {
  readonly name: string
  /** What the sentence that refuses it must say. */
  readonly says: RegExp
  readonly make: () => Buffer | Promise<Buffer>
}

const image = testImage('team/a', 'v1', 'hostile')
const good = (): Buffer[] => imageEntries(image)
const goodTar = (): Buffer => tarOf(...good())
const BLOB = `data/${blobPath(digestOf(image.config))}`
const OTHER = digestOf(Buffer.from('other'))

/** The good archive with one entry more, in front, where whoever reads on sees it first. */
const withEntry = (...entries: Buffer[]): Buffer => tarOf(...entries, ...good())
const withName = (name: string): Buffer => withEntry(rawEntry({ name }, 'x'))
const withType = (type: string, name = BLOB): Buffer => withEntry(rawEntry({ name, type, link: '/etc/passwd' }))
const withSize = (sizeField: Buffer): Buffer => tarOf(...good(), rawHeader({ name: 'data/x', sizeField }))
const base256 = (first: number, value: bigint): Buffer => {
  const field = Buffer.alloc(12)
  field[0] = first
  field.writeBigUInt64BE(value, 4)
  return field
}
const zeros = (size: number): Buffer => Buffer.alloc(size)

/** A tar of any registry's data directory, made up. */
export const HOSTILE_TARS: readonly HostileArchive[] = [
  { name: 'nothing at all', says: /empty/, make: () => Buffer.alloc(0) },
  { name: 'a text', says: /no header of a tar|cut short/, make: () => Buffer.from('#!/bin/sh\n'.repeat(200)) },
  { name: 'an archive without entries', says: /no data directory/, make: () => tarOf() },
  {
    name: 'an archive of something else',
    says: /no data directory/,
    make: () => tarOf(rawEntry({ name: 'etc/passwd' }, 'x')),
  },
  { name: 'a header that ends early', says: /cut short/, make: () => goodTar().subarray(0, 300) },
  { name: 'bytes that end early', says: /lacks its last/, make: () => goodTar().subarray(0, 2048) },
  { name: 'no end', says: /end of the archive is missing/, make: () => goodTar().subarray(0, -1024) },
  { name: 'half an end', says: /last block .* missing/, make: () => goodTar().subarray(0, -512) },
  {
    name: 'an entry behind the end',
    says: /follows the end/,
    make: () => Buffer.concat([goodTar(), rawEntry({ name: 'x' }, 'x')]),
  },
  { name: 'two archives in one', says: /follows the end/, make: () => Buffer.concat([goodTar(), goodTar()]) },
  {
    name: 'zeros without an end',
    says: /goes on with empty blocks/,
    make: () => Buffer.concat([goodTar(), zeros(2 << 20)]),
  },
  {
    name: 'an empty block between entries',
    says: /empty block stands between/,
    make: () => Buffer.concat([...good(), zeros(512), ...good()]),
  },
  {
    name: 'a name that leads up',
    says: /leads out of its directory/,
    make: () => withName('data/../../../etc/cron.d/x'),
  },
  {
    name: 'a name that begins with two dots',
    says: /leads out of its directory/,
    make: () => withName('../docker/registry/v2/blobs/x'),
  },
  {
    name: 'a name that ends with two dots',
    says: /leads out of its directory/,
    make: () => withName('data/docker/registry/v2/..'),
  },
  { name: 'an absolute name', says: /absolute path/, make: () => withName('/etc/passwd') },
  {
    name: 'an absolute name of a blob',
    says: /absolute path/,
    make: () => withName(`/var/lib/registry/${blobPath(OTHER)}`),
  },
  { name: 'a backslash', says: /backslash/, make: () => withName('data\\docker\\registry\\v2\\x') },
  { name: 'two dots behind a backslash', says: /backslash/, make: () => withName('data/..\\..\\x') },
  { name: 'the letter of a drive', says: /letter of a drive/, make: () => withName('C:/docker/registry/v2/x') },
  { name: 'the end of a line in a name', says: /control character/, make: () => withName('data/a\nb') },
  { name: 'an escape sequence in a name', says: /control character/, make: () => withName('data/\u001b[2J') },
  { name: 'an empty step in a name', says: /empty step/, make: () => withName('data//docker/registry/v2/x') },
  { name: 'a dot as a step', says: /empty step/, make: () => withName('data/./docker/registry/v2/x') },
  {
    name: 'a NUL in a pax path',
    says: /NUL or the end of a line/,
    make: () => withEntry(paxEntry(['path=data/x\0y']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'the end of a line in a pax path',
    says: /NUL or the end of a line|torn/,
    make: () => withEntry(paxEntry(['path=data/x\ny']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax path that leads up',
    says: /leads out of its directory/,
    make: () => withEntry(paxEntry(['path=../../x']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a long name that leads up',
    says: /leads out of its directory/,
    make: () => withName(`${'a/'.repeat(60)}../../x`),
  },
  { name: 'no name', says: /has no name/, make: () => withName('') },
  { name: 'a symbolic link in the place of a blob', says: /symbolic link/, make: () => withType('2') },
  {
    name: 'a symbolic link in the place of the data directory',
    says: /symbolic link in the place/,
    make: () => withType('2', 'data'),
  },
  {
    name: 'a symbolic link above the data directory',
    says: /symbolic link in the place/,
    make: () => tarOf(rawEntry({ name: 'opt', type: '2', link: '/' }), ...imageEntries(image, 'opt/data/')),
  },
  { name: 'a hard link', says: /hard link/, make: () => withType('1') },
  { name: 'a hard link outside of the data directory', says: /hard link/, make: () => withType('1', 'certs/ca.crt') },
  { name: 'a character device', says: /character device/, make: () => withType('3') },
  { name: 'a block device', says: /block device/, make: () => withType('4') },
  { name: 'a fifo', says: /fifo/, make: () => withType('6') },
  { name: 'a contiguous file', says: /contiguous file/, make: () => withType('7') },
  { name: 'a sparse file of GNU tar', says: /sparse file/, make: () => withType('S') },
  {
    name: 'a sparse file by pax records',
    says: /sparse file/,
    make: () =>
      withEntry(paxEntry(['GNU.sparse.major=1', 'GNU.sparse.size=99999999999']), rawEntry({ name: BLOB }, 'x')),
  },
  { name: 'a file of a second volume', says: /continued file/, make: () => withType('M') },
  { name: 'the label of a volume', says: /volume label/, make: () => withType('V', 'backup') },
  { name: 'a directory of an incremental dump', says: /dumped directory/, make: () => withType('D', 'data/x') },
  { name: 'a type that nobody knows', says: /of a kind that is not known/, make: () => withType('Z') },
  { name: 'a type of solaris', says: /of a kind that is not known/, make: () => withType('X') },
  {
    name: 'a wrong checksum',
    says: /checksum/,
    make: () => tarOf(...good(), rawHeader({ name: 'data/x', checksum: 1 })),
  },
  {
    name: 'a checksum that is no number',
    says: /checksum is no number/,
    make: () => {
      const header = rawHeader({ name: 'data/x' })
      header.write('zzzzzz', 148)
      return tarOf(...good(), header)
    },
  },
  { name: 'a negative size', says: /negative/, make: () => withSize(Buffer.alloc(12, 0xff)) },
  {
    name: 'a size beyond all numbers',
    says: /larger than any file/,
    make: () => withSize(base256(0x80, 0xff_ff_ff_ff_ff_ff_ff_ffn)),
  },
  {
    name: 'a size of 96 bits',
    says: /larger than any file/,
    make: () => withSize(Buffer.concat([Buffer.from([0xbf]), Buffer.alloc(11, 0xff)])),
  },
  { name: 'a size that is no number', says: /size is no number/, make: () => withSize(Buffer.from('0000000009z\0')) },
  { name: 'a size in decimal', says: /size is no number/, make: () => withSize(Buffer.from('99999999999\0')) },
  { name: 'a size with a sign', says: /size is no number/, make: () => withSize(Buffer.from('-0000000001\0')) },
  { name: 'an empty size', says: /size is no number/, make: () => withSize(Buffer.alloc(12, 0x20)) },
  { name: 'a size past the end', says: /lacks its last|no space/, make: () => withSize(Buffer.from('77777777777\0')) },
  {
    name: 'a blob of an exabyte',
    says: /no space|lacks its last/,
    make: () => tarOf(rawHeader({ name: BLOB, sizeField: base256(0x80, 1n << 52n) })),
  },
  {
    name: 'a directory with bytes',
    says: /is a directory and has 5 bytes/,
    make: () => withEntry(rawEntry({ name: 'data/', type: '5' }, 'bytes')),
  },
  {
    name: 'a directory with bytes by its slash',
    says: /is a directory and has 5 bytes/,
    make: () => withEntry(rawEntry({ name: 'data/' }, 'bytes')),
  },
  {
    name: 'a link with bytes',
    says: /is a symbolic link and has 5 bytes/,
    make: () => withEntry(rawEntry({ name: 'x', type: '2' }, 'bytes')),
  },
  {
    name: 'a device with bytes',
    says: /is a character device and has 5 bytes/,
    make: () => withEntry(rawEntry({ name: 'x', type: '3' }, 'bytes')),
  },
  {
    name: 'a pax size that hides entries',
    says: /bytes that belong to nothing|lacks its last|no header|checksum/,
    make: () => withEntry(paxEntry(['size=2000']), rawEntry({ name: 'data/x' }, 'x')),
  },
  {
    name: 'a pax size that is no number',
    says: /pax size that is no number/,
    make: () => withEntry(paxEntry(['size=1e3']), rawEntry({ name: 'data/x' }, 'x')),
  },
  {
    name: 'a negative pax size',
    says: /pax size that is no number/,
    make: () => withEntry(paxEntry(['size=-1']), rawEntry({ name: 'data/x' }, 'x')),
  },
  {
    name: 'a pax record longer than its header',
    says: /torn/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'x' }, '99 path=x\n'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record without its end',
    says: /torn/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'x' }, '9 path=xx'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record without a length',
    says: /torn/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'x' }, 'path=x\n'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record of length zero',
    says: /torn/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'x' }, '0 path=x\n'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record without a value',
    says: /torn/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'x' }, '8 pathx\n'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record twice',
    says: /twice/,
    make: () => withEntry(paxEntry(['path=data/a', 'path=data/b']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax record that nobody knows',
    says: /not known/,
    make: () => withEntry(paxEntry(['hdrcharset=BINARY']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'two pax headers',
    says: /two pax headers/,
    make: () => withEntry(paxEntry(['path=data/a']), paxEntry(['path=data/b']), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a pax path beside a long name',
    says: /two names/,
    make: () =>
      withEntry(
        rawEntry({ name: 'x', type: 'L' }, 'data/a\0'),
        paxEntry(['path=data/b']),
        rawEntry({ name: 'x' }, 'x'),
      ),
  },
  { name: 'a global path', says: /would change all entries/, make: () => withEntry(paxEntry(['path=data/a'], 'g')) },
  { name: 'a global size', says: /would change all entries/, make: () => withEntry(paxEntry(['size=1'], 'g')) },
  {
    name: 'a global linkpath',
    says: /would change all entries/,
    make: () => withEntry(paxEntry(['linkpath=/etc'], 'g')),
  },
  {
    name: 'a long name without its end',
    says: /long name/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'L' }, 'data/a'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'a long name with a NUL in it',
    says: /long name/,
    make: () => withEntry(rawEntry({ name: 'x', type: 'L' }, 'data/a\0b\0'), rawEntry({ name: 'x' }, 'x')),
  },
  {
    name: 'two long names',
    says: /two long names/,
    make: () =>
      withEntry(
        rawEntry({ name: 'x', type: 'L' }, 'a\0'),
        rawEntry({ name: 'x', type: 'L' }, 'b\0'),
        rawEntry({ name: 'x' }, 'x'),
      ),
  },
  {
    name: 'a long name of a gigabyte',
    says: /header of 1073741824 bytes/,
    make: () => withEntry(rawHeader({ name: 'x', type: 'L', size: 1 << 30 })),
  },
  {
    name: 'a pax header of a gigabyte',
    says: /header of 1073741824 bytes/,
    make: () => withEntry(rawHeader({ name: 'x', type: 'x', size: 1 << 30 })),
  },
  {
    name: 'headers that announce headers',
    says: /again and again/,
    make: () => withEntry(...Array.from({ length: 9 }, () => paxEntry(['comment=x'], 'g'))),
  },
  {
    name: 'two long links',
    says: /two long links/,
    make: () => withEntry(...Array.from({ length: 2 }, () => rawEntry({ name: 'x', type: 'K' }, 'x\0'))),
  },
  {
    name: 'a long name of nothing',
    says: /announced and is missing/,
    make: () => tarOf(...good(), rawEntry({ name: 'x', type: 'L' }, 'data/a\0')),
  },
  {
    name: 'no magic',
    says: /no header of a tar/,
    make: () => tarOf(...good(), rawHeader({ name: 'x', magic: '\0\0\0\0\0\0\0\0' })),
  },
  {
    name: 'a cpio archive',
    says: /no header of a tar/,
    make: () => Buffer.concat([Buffer.from('070701'), zeros(2000)]),
  },
  {
    name: 'bytes between entries',
    says: /belong to nothing/,
    make: () => {
      const tar = withEntry(rawEntry({ name: 'data/x' }, 'x'))
      tar[512 + 10] = 1
      return tar
    },
  },
  {
    name: 'two data directories',
    says: /two data directories/,
    make: () => tarOf(...good(), ...imageEntries(image, 'other/')),
  },
  {
    name: 'a data directory in a data directory’s place and one above',
    says: /two data directories/,
    make: () => tarOf(...good(), ...imageEntries(image, '')),
  },
  {
    name: 'a tag twice with different content',
    says: /was there before and held something else/,
    make: () => tarOf(...good(), rawEntry({ name: `data/${tagPath('team/a', 'v1')}` }, OTHER)),
  },
  {
    name: 'a layer twice with different content',
    says: /was there before and held something else/,
    make: () => tarOf(...good(), rawEntry({ name: `data/${layerPath('team/a', digestOf(image.config))}` }, OTHER)),
  },
  {
    name: 'a blob twice with different sizes',
    says: /was there before with another size/,
    make: () => tarOf(...good(), rawEntry({ name: BLOB }, 'x')),
  },
  { name: 'gzip that ends early', says: /cut short/, make: () => gzipSync(goodTar()).subarray(0, -20) },
  {
    name: 'gzip with a wrong sum',
    says: /damaged/,
    make: () => {
      const packed = gzipSync(goodTar())
      packed[packed.length - 6] = (packed[packed.length - 6] ?? 0) ^ 0xff
      return packed
    },
  },
  {
    name: 'gzip with a flipped bit',
    says: /damaged|checksum|header|cut short/,
    make: () => {
      const packed = gzipSync(goodTar())
      packed[600] = (packed[600] ?? 0) ^ 0x10
      return packed
    },
  },
  {
    name: 'gzip with something behind it',
    says: /damaged|follows the end/,
    make: () => Buffer.concat([gzipSync(goodTar()), Buffer.from('more than nothing')]),
  },
  {
    name: 'gzip of an unknown method',
    says: /damaged/,
    make: () => Buffer.concat([Buffer.from([0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 3]), deflateRawSync(goodTar())]),
  },
  {
    name: 'a gigabyte of zeros behind the end, in a megabyte of gzip',
    says: /goes on with empty blocks/,
    make: () => gzipSync(Buffer.concat([goodTar(), zeros(1 << 30)]), { level: 1 }),
  },
  {
    name: 'a gigabyte of zeros behind the end, in some bytes of zstd',
    says: /goes on with empty blocks/,
    make: () => zstdCompressSync(Buffer.concat([goodTar(), zeros(1 << 30)])),
  },
  { name: 'zstd that ends early', says: /cut short/, make: () => zstdCompressSync(goodTar()).subarray(0, -20) },
  {
    name: 'zstd with a flipped bit',
    says: /damaged|checksum|header|cut short|bytes/,
    make: () => {
      const packed = zstdCompressSync(goodTar(), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
      packed[40] = (packed[40] ?? 0) ^ 0x10
      return packed
    },
  },
  {
    name: 'zstd with something behind it',
    says: /damaged|follows the end/,
    make: () => Buffer.concat([zstdCompressSync(goodTar()), Buffer.from('more than nothing')]),
  },
  { name: 'zstd with a window of two gigabytes', says: /damaged|memory/, make: () => withWindow(31) },
  {
    name: 'an archive packed with xz',
    says: /packed with xz/,
    make: () => Buffer.concat([Buffer.from('fd377a585a00', 'hex'), zeros(1000)]),
  },
  {
    name: 'an archive packed with bzip2',
    says: /packed with bzip2/,
    make: () => Buffer.concat([Buffer.from('BZh91AY'), zeros(1000)]),
  },
  {
    name: 'a zip file',
    says: /packed with zip/,
    make: () => Buffer.concat([Buffer.from('PK\u0003\u0004'), zeros(1000)]),
  },
  {
    name: 'an archive packed with lz4',
    says: /packed with lz4/,
    make: () => Buffer.concat([Buffer.from('04224d18', 'hex'), zeros(1000)]),
  },
  { name: 'gzip in gzip', says: /no header of a tar|cut short/, make: () => gzipSync(gzipSync(goodTar())) },
]

/** What comes in as far as it can, and is told: `tar` of a registry that is damaged. */
export const DAMAGED_TARS: readonly HostileArchive[] = [
  {
    name: 'a link that holds no digest',
    says: /torn/,
    make: () => tarOf(...good(), rawEntry({ name: `data/${tagPath('team/a', 'v2')}` }, 'sha256:nothing')),
  },
  {
    name: 'a link of a megabyte',
    says: /torn/,
    make: () => tarOf(...good(), rawEntry({ name: `data/${tagPath('team/a', 'v2')}` }, zeros(1 << 20))),
  },
  {
    name: 'a revision that stands for another',
    says: /torn/,
    make: () => tarOf(...good(), rawEntry({ name: `data/${revisionPath('team/a', OTHER)}` }, image.digest)),
  },
]

/** A frame of zstd that asks for a window of 2^log bytes. */
async function withWindow(log: number): Promise<Buffer> {
  const packer = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: log } })
  const pieces: Buffer[] = []
  packer.on('data', (piece: Buffer) => pieces.push(piece))
  const ended = new Promise((resolve, reject) => packer.once('end', resolve).once('error', reject))
  packer.write(goodTar())
  packer.end()
  await ended
  return Buffer.concat(pieces)
}

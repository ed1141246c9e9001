import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pack } from 'tar-stream'
import type { Test } from 'tap'
import t from 'tap'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import type { TarWishes } from '../../../src/storage/check/tar-source.ts'
import { findTarKind, readTar } from '../../../src/storage/check/tar-source.ts'

const V2 = 'docker/registry/v2'
const BYTES = Buffer.from('the right bytes')
const DIGEST = digestOf(BYTES)
const pathOf = (digest: Digest): string => `${V2}/blobs/sha256/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}/data`

interface Entry {
  readonly name: string
  readonly bytes?: Buffer | string
  readonly type?: 'file' | 'symlink' | 'link' | 'directory' | 'fifo'
  readonly linkname?: string
}

async function packAll(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const { name, bytes = '', type = 'file', linkname = '' } of entries) {
    tar.entry({ name, type, ...(linkname !== '' && { linkname }) }, type === 'file' ? Buffer.from(bytes) : '')
  }
  tar.finalize()
  const pieces: Uint8Array[] = []
  for await (const piece of tar) pieces.push(piece as Uint8Array)
  return Buffer.concat(pieces)
}

/** Reads a tar of these bytes; gives what was taken as `digest content`, and the links. */
async function read(t: Test, tar: Buffer, wishes: Partial<TarWishes> = {}) {
  const path = `${t.testdir({})}/copy`
  writeFileSync(path, tar)
  const kind = await findTarKind(path)
  if (kind === undefined) throw new Error('it is no tar')
  const taken: string[] = []
  const take = async (digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<boolean> => {
    const hash = createHash('sha256')
    let content = ''
    for await (const piece of bytes) {
      hash.update(piece)
      content += Buffer.from(piece).toString()
    }
    taken.push(content)
    return hash.digest('hex') === hexOf(digest)
  }
  const links = await readTar(path, kind, { blobs: new Map([[DIGEST, undefined]]), links: new Set(), take, ...wishes })
  return { taken, links }
}

t.test('a wanted blob is found wherever the data directory lies in the tar', async (t) => {
  for (const prefix of ['', './', 'data/', 'opt/registry/data/', '/var/lib/registry/']) {
    const { taken } = await read(t, await packAll([{ name: prefix + pathOf(DIGEST), bytes: BYTES }]))
    t.same(taken, [BYTES.toString()], prefix)
  }
})

t.test('a compressed tar is known by its first bytes', async (t) => {
  const tar = await packAll([{ name: pathOf(DIGEST), bytes: BYTES }])
  t.same((await read(t, gzipSync(tar))).taken, [BYTES.toString()])
  t.same((await read(t, zstdCompressSync(tar))).taken, [BYTES.toString()])
  const directory = t.testdir({ text: 'x'.repeat(1000), empty: '' })
  t.equal(await findTarKind(`${directory}/text`), undefined)
  t.equal(await findTarKind(`${directory}/empty`), undefined)
})

t.test('a wrong copy is passed over, a right one behind it is taken, and no further one', async (t) => {
  const name = pathOf(DIGEST)
  const entries = ['wrong', BYTES, 'not asked for'].map((bytes) => ({ name, bytes }))
  t.same((await read(t, await packAll(entries))).taken, ['wrong', BYTES.toString()])
})

t.test('where the size is known, only that size is looked at', async (t) => {
  const name = pathOf(DIGEST)
  const tar = await packAll([
    { name, bytes: 'x'.repeat(100_000) },
    { name, bytes: BYTES },
  ])
  t.same((await read(t, tar, { blobs: new Map([[DIGEST, BYTES.length]]) })).taken, [BYTES.toString()])
})

t.test('nothing but regular files of the layout is taken', async (t) => {
  const hex = hexOf(DIGEST)
  const other = digestOf(Buffer.from('not wanted'))
  const tar = await packAll([
    { name: pathOf(DIGEST), type: 'symlink', linkname: '/etc/passwd' },
    { name: pathOf(DIGEST), type: 'link', linkname: '/etc/passwd' },
    { name: pathOf(DIGEST), type: 'fifo' },
    { name: `${pathOf(DIGEST)}/`, type: 'directory' },
    { name: pathOf(other), bytes: 'not wanted' },
    { name: `${V2}/blobs/sha256/zz/${hex}/data`, bytes: BYTES },
    { name: `${V2}/blobs/sha256/00/${hex}/data`, bytes: BYTES },
    { name: `${V2}/blobs/sha256/${hex.slice(0, 2)}/${hex}/../${hex}/data`, bytes: BYTES },
    { name: `${V2}/blobs/md5/${hex.slice(0, 2)}/${hex}/data`, bytes: BYTES },
    { name: `${V2}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data.tmp`, bytes: BYTES },
    { name: `${V2}/blobs/sha256/${hex.slice(0, 2)}/${hex}/trashed`, bytes: BYTES },
    { name: `x${pathOf(DIGEST)}`, bytes: BYTES },
    { name: `../../${pathOf(DIGEST)}\n`, bytes: BYTES },
  ])
  t.same((await read(t, tar)).taken, [])
})

t.test('links that are wanted are kept, with the history of a tag', async (t) => {
  const name = parseRepositoryName('team/a')
  const tag = parseTag('v1')
  const base = `${V2}/repositories/team/a/_manifests/tags/v1`
  const old = digestOf(Buffer.from('old'))
  const tar = await packAll([
    { name: `data/${base}/index/sha256/${hexOf(old)}/link`, bytes: old },
    { name: `data/${base}/index/sha256/${hexOf(DIGEST)}/link`, bytes: DIGEST },
    { name: `data/${base}/index/sha256/short/link`, bytes: DIGEST },
    { name: `data/${base}/current/link`, bytes: old },
    { name: `data/${base}/current/link`, bytes: DIGEST },
    { name: `data/${V2}/repositories/team/b/_manifests/tags/v1/current/link`, bytes: old },
    { name: `data/${V2}/repositories/team/a/_layers/sha256/${hexOf(old)}/link`, bytes: 'x'.repeat(10_000) },
  ])
  const layer = `${V2}/repositories/team/a/_layers/sha256/${hexOf(old)}/link`
  const { links } = await read(t, tar, { links: new Set([`${base}/current/link`, layer]) })
  t.equal(links.readLink(`${base}/current/link`), DIGEST, 'the last one counts')
  t.same(links.readHistory(name, tag), [old, DIGEST])
  t.equal(links.readLink(layer), undefined)
  t.equal(links.readLink(`${V2}/repositories/team/b/_manifests/tags/v1/current/link`), undefined, 'not asked for')
})

t.test('a tar that ends early, or is no tar inside, is an error and not an endless wait', async (t) => {
  const tar = await packAll([{ name: pathOf(DIGEST), bytes: Buffer.alloc(100_000, 'x') }])
  await t.rejects(read(t, tar.subarray(0, 50_000)))
  await t.rejects(read(t, gzipSync(tar).subarray(0, 200)))
  await t.rejects(read(t, gzipSync(Buffer.alloc(100_000, 'no tar'))))
  await t.rejects(read(t, zstdCompressSync(tar).subarray(0, 30)))
})

t.test('an entry of which the reader says that the disk is full ends the reading', async (t) => {
  const tar = await packAll([{ name: pathOf(DIGEST), bytes: Buffer.alloc(3_000_000, 'x') }, { name: 'more' }])
  const take = async (_digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<boolean> => {
    for await (const piece of bytes) if (piece.length > 0) throw new Error('no space')
    return true
  }
  await t.rejects(read(t, tar, { take }), /no space/)
})

t.test('headers that claim to be endless are refused', async (t) => {
  const tar = await packAll([{ name: 'x'.repeat(90), bytes: 'x' }])
  // A long name (type L) of 8 GiB, which a reader would have to keep in memory.
  tar.write('L', 156)
  tar.write('77777777777\0', 124)
  tar.write('        ', 148)
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  await t.rejects(read(t, tar), /max size/)
})

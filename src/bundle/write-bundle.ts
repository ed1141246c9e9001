// Writes a bundle as files: its parts, its signature and SHA256SUMS. What an earlier try left whole is not written again.
import { existsSync } from 'node:fs'
import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { open, readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Problem } from '../config/problem.ts'
import { digestOf, hexOf } from '../oci/digest.ts'
import type { Progress } from '../registry/collect.ts'
import { hashFile } from '../storage/hash-file.ts'
import { HashThread } from '../storage/hash-thread.ts'
import type { Layout } from '../storage/layout.ts'
import { PROGRAM_FILE } from './archive-files.ts'
import { carriedBytes } from './bundle-index.ts'
import { readFirstBytes } from './first-bytes.ts'
import { writePartFile } from './part-file.ts'
import type { Plan } from './plan.ts'
import { signIndex, verifySignature } from './signature.ts'
import { describePublicKey } from './ssh-key.ts'
import { readSums, writeSums } from './sums-file.ts'
import { makeHead, sizeOfPart, writePart } from './write-part.ts'

export interface WriteOptions {
  /** The file, or what the files of several parts are called after: `march.tar`. */
  readonly path: string
  readonly zstd: boolean
  /** Undefined: the bundle is not signed. */
  readonly key: KeyObject | undefined
  /** Where the blobs are. */
  readonly layout: Layout
  readonly onProgress?: (progress: Progress) => void
  readonly signal?: AbortSignal | undefined
}

export interface WrittenFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** The file's, in hexadecimal. */
  readonly sha256: string
  /** False when it was there already. */
  readonly written: boolean
}

const SUMS = 'SHA256SUMS'
/** What `--with-tarn` writes for the far side. */
export const README = 'README.txt'
const BUNDLE = /\.tar(?:\.zst)?(?:\.sig)?$/

/** Writes what is not there yet, part after part; gives all files. Throws a Problem for what a person must put right. */
export async function writeBundle(plan: Plan, options: WriteOptions): Promise<readonly WrittenFile[]> {
  const { path, key } = options
  const { index, indexBytes } = plan
  const sumsPath = join(dirname(path), SUMS)
  // Of bundles that were taken away since, and of what lay beside them, the sum would fail: sha256sum -c must say that all
  // is well.
  const isOurs = (name: string): boolean => BUNDLE.test(name) || PROGRAM_FILE.test(name) || name === README
  const isGone = (name: string): boolean => isOurs(name) && !existsSync(join(dirname(path), name))
  const sums = new Map([...(await readSums(sumsPath))].filter(([name]) => !isGone(name)))
  const signaturePath = `${partPath(path, 1, 1, false)}.sig`
  const signature = key && ((await readOwnSignature(signaturePath, indexBytes, key)) ?? signIndex(indexBytes, key))
  const hash = new HashThread()
  const files: WrittenFile[] = []
  const total = carriedBytes(index.blobs)
  let bytes = 0
  const tell = (more: number): void => {
    bytes += more
    options.onProgress?.({ phase: 'writing the bundle', done: bytes, total, bytes })
  }
  const keepSum = async (file: string, sha256: string): Promise<void> => {
    sums.set(basename(file), sha256)
    await writeSums(sumsPath, sums)
  }
  try {
    if (signature !== undefined) {
      await writeFile(signaturePath, signature)
      await keepSum(signaturePath, hexOf(digestOf(Buffer.from(signature))))
    }
    for (let part = 1; part <= index.parts; part += 1) {
      const file = partPath(path, part, index.parts, options.zstd)
      const known = sums.get(basename(file))
      const here = known === undefined ? undefined : await findWhole(file, known, makeHead(plan, part, signature))
      if (here !== undefined) {
        tell(bytesOf(plan, part))
        files.push({ ...here, written: false })
        continue
      }
      const { zstd, layout, signal } = options
      // How much the compressed one takes is only known afterwards.
      if (!zstd) await requireRoom(file, sizeOfPart(plan, part, signature))
      const sha256 = await writePartFile(file, hash, { zstd }, (sink) =>
        writePart(plan, { part, signature, layout, onBytes: tell, signal, alone: true }, sink),
      )
      await keepSum(file, sha256)
      files.push({ path: file, size: (await stat(file)).size, sha256, written: true })
    }
  } finally {
    await hash.close()
  }
  return files
}

/** `march.tar` of several parts: `march.part-0001-of-0003.tar`. With zstd the name ends in `.zst`. */
export function partPath(path: string, part: number, parts: number, zstd: boolean): string {
  const plain = path.replace(/\.zst$/, '')
  const ending = /\.tar$/.exec(plain)?.[0] ?? ''
  const stem = plain.slice(0, plain.length - ending.length)
  const pad = (number: number): string => String(number).padStart(4, '0')
  return `${stem}${parts === 1 ? '' : `.part-${pad(part)}-of-${pad(parts)}`}${ending}${zstd ? '.zst' : ''}`
}

function bytesOf({ index }: Plan, part: number): number {
  return index.blobs.reduce((sum, blob) => {
    const slices = blob.slices ?? [blob]
    return sum + slices.reduce((inner, slice) => inner + (slice.part === part ? slice.size : 0), 0)
  }, 0)
}

/** The file when it is this part, written whole: its beginning says which it is, its hash that nothing is missing. */
async function findWhole(
  path: string,
  sha256: string,
  head: Buffer,
): Promise<Omit<WrittenFile, 'written'> | undefined> {
  try {
    const { size } = await stat(path)
    if (!(await readFirstBytes(path, head.byteLength)).equals(head)) return undefined
    const handle = await open(path, 'r')
    try {
      return (await hashFile(handle, 'sha256')) === sha256 ? { path, size, sha256 } : undefined
    } finally {
      await handle.close()
    }
  } catch {
    // Whatever it is, it is written anew.
    return undefined
  }
}

/** The signature beside the bundle when it is by this key: an ECDSA one differs each time that it is made. */
async function readOwnSignature(path: string, index: Buffer, key: KeyObject): Promise<string | undefined> {
  try {
    const bytes = await readFile(path)
    const own = describePublicKey(createPublicKey(key)).wire
    return verifySignature(index, bytes).wire.equals(own) ? bytes.toString('latin1') : undefined
  } catch {
    return undefined
  }
}

async function requireRoom(path: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  const free = bavail * bsize
  if (free >= size) return
  throw new Problem(`there are ${free} bytes free in ${dirname(path)}, and ${basename(path)} takes ${size}`, {
    hint: 'free some room, write elsewhere, or make smaller parts: --part-size; what is written already is kept',
  })
}

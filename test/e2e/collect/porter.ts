// The client of the soak that brings images by tar under the running server, with --skip-old-files (only what is not
// there) and without (everything anew), and takes them away again over HTTP. Past the server there are no answers: what
// a tar brought is owed once it was pulled whole.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describeReply } from '../durability/client.ts'
import { deleteManifest, getBlob, getManifest } from '../durability/push.ts'
import type { Machine } from '../helpers/machine.ts'
import type { Desk } from './desk.ts'
import { count } from './desk.ts'
import type { BuiltImage } from './files.ts'
import { buildImage, putImage } from './files.ts'
import type { Repository } from './promised.ts'
import { pullAll } from './reads.ts'

export interface Parcel {
  /** The tar. */
  readonly file: string
  readonly repository: Repository
  readonly images: ReadonlyMap<string, BuiltImage>
  /** Whether its blobs are in nobody else's images: only such files may be written anew while they are served. */
  readonly isOwn: boolean
}

const IMAGES = 3

/** Packs a few images of one repository as the handbook packs a data directory. */
export async function packParcel(
  machine: Machine,
  desk: Desk,
  repository: Repository,
  isOwn: boolean,
): Promise<Parcel> {
  const folder = await machine.scratch('parcel')
  const data = join(folder, 'data')
  await mkdir(data)
  const images = new Map<string, BuiltImage>()
  for (let at = 0; at < IMAGES; at++) {
    const config = Buffer.from(JSON.stringify({ os: 'linux', note: `${repository.name} ${at}` }))
    const layers = isOwn ? [desk.random.bytes(3000), desk.random.bytes(70_000)] : desk.layers.slice(at, at + 3)
    const built = buildImage(config, layers)
    images.set(`carried-${at}`, built)
    putImage(data, repository.name, built, `carried-${at}`)
  }
  const file = join(folder, 'parcel.tar')
  // Blobs come before what leads to them.
  await machine.run('tar', ['--sort=name', '-cf', file, '-C', data, '.'])
  await rm(data, { recursive: true })
  return { file, repository, images, isOwn }
}

const MOST_TRIES = 20

/**
 * Unpacks the parcel below the running server until its images are whole; from then on they are owed. A tar that skips
 * what is there can skip an old link that a collection takes a moment later: links are not given back as blobs are, and
 * people unpack the tar once more.
 */
export async function bring(desk: Desk, machine: Machine, data: string, parcel: Parcel): Promise<void> {
  const { repository, images, isOwn, file } = parcel
  const { findings } = desk
  const flags = isOwn && desk.random.number(2) === 0 ? [] : ['--skip-old-files']
  await repository.change(async () => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      await machine.run('tar', ['-x', ...flags, '-f', file, '-C', data])
      findings.count('tar')
      if (await isWhole(desk, parcel)) {
        for (const [tag, { image }] of images) repository.keep(image, tag)
        return
      }
      findings.again++
    }
    findings.complain(`tar of ${repository.name}: not whole after ${MOST_TRIES} times`)
  })
  await pullAll(desk, repository)
}

async function isWhole(desk: Desk, { repository: { name }, images }: Parcel): Promise<boolean> {
  for (const [tag, { image }] of images) {
    const replies = [await count(desk, 'manifest pull', tag, () => getManifest(desk.client, name, tag))]
    for (const { digest } of image.blobs) {
      replies.push(await count(desk, 'blob pull', digest, () => getBlob(desk.client, name, digest)))
    }
    if (replies.some(({ status, clean }) => status !== 200 || !clean)) return false
  }
  return true
}

/** Takes what a parcel brought away again, so that collections get to its blobs. */
export async function takeAway(desk: Desk, { repository, images }: Parcel): Promise<void> {
  await repository.change(async () => {
    for (const { image } of images.values()) {
      if (!repository.images.has(image.digest)) continue
      repository.drop(image.digest)
      const what = `${repository.name}@${image.digest}`
      const reply = await count(desk, 'manifest delete', what, () =>
        deleteManifest(desk.client, repository.name, image.digest),
      )
      if (reply.status !== 202) desk.findings.complain(`manifest delete ${what}: ${describeReply(reply)}`)
    }
  })
}

/**
 * A tar that is unpacked slowly, as from a slow disk: everything up to the first link, then a wait of `between`, then the
 * rest. Files that are there are skipped.
 */
export async function bringInTwo(
  machine: Machine,
  data: string,
  archive: Buffer,
  at: number,
  between: () => Promise<void>,
): Promise<void> {
  const child = spawn('tar', ['-x', '--skip-old-files', '-f', '-', '-C', data], { stdio: ['pipe', 'ignore', 'pipe'] })
  machine.onEnd(async () => void child.kill('SIGKILL'))
  let complaint = ''
  child.stderr.on('data', (part: Buffer) => (complaint += part.toString()))
  child.stdin.on('error', () => undefined)
  const ended = once(child, 'close') as Promise<[number | null]>
  child.stdin.write(archive.subarray(0, at))
  await between()
  child.stdin.end(archive.subarray(at))
  const [code] = await ended
  if (code !== 0) throw new Error(`tar ended with ${code}: ${complaint.trim()}`)
}

const BLOCK = 512

/** Where in a tar the first member below `repositories/` begins. */
export function findLinks(archive: Buffer): number {
  for (let at = 0; at + BLOCK <= archive.byteLength;) {
    const name = archive.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    if (name.includes('/repositories/')) return at
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 136), 8) || 0
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  throw new Error('the tar has no repositories')
}

// Chooses what a bundle is made of, in one moment of the data directory.
import { hexOf } from '../oci/digest.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Progress } from '../registry/collect.ts'
import type { ImagePattern } from '../registry/select.ts'
import { selectImages } from '../registry/select.ts'
import { listSigned, readSignatures } from '../storage/signatures.ts'
import type { Store } from '../storage/store.ts'
import type { WalkReport } from '../storage/walk.ts'
import { LATEST_TIME } from './index-file.ts'
import { takeMoment } from './moment.ts'
import { pickRepository } from './pick-repository.ts'
import type { ExactImages, PickOptions, Picked, PickedBlob, PickedRepository, PickedSignature } from './picked.ts'

export interface HeldPick {
  readonly picked: Picked
  /** Lets go of what was held; until then nothing of it is collected. */
  readonly release: () => void
}

// A config is JSON of some kilobytes; what is larger is none that says when an image was made.
const LARGEST_CONFIG = 4 * 1024 * 1024
const DAY_S = 86_400

/**
 * Picks what `options` select and holds it. Throws a Problem for a pattern that can mean nothing, and a system error for a
 * directory that cannot be read. `now` is in seconds since 1970.
 */
export async function pickImages(
  store: Store,
  options: PickOptions,
  now: number,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<HeldPick> {
  const selection = options.images.length === 0 ? undefined : selectImages(options.images)
  const exact = Map.groupBy(options.exact ?? [], ({ repository }) => repository)
  const isAll = selection === undefined && options.exact === undefined
  const names = [...exact.keys(), ...(selection?.names ?? [])]
  if (isAll || (selection !== undefined && selection.names === undefined)) {
    for await (const name of store.repositories.names()) {
      if (selection === undefined || selection.of(name).length > 0) names.push(name)
    }
  }
  const unread: Error[] = []
  const report: WalkReport = { onStray: () => undefined, onUnreadable: (_path, error) => void unread.push(error) }
  const moment = await takeMoment(store, names, report)
  try {
    if (unread[0] !== undefined) throw unread[0]
    const matched = new Set<ImagePattern>()
    const [blobs, repositories] = [new Map<string, PickedBlob>(), [] as PickedRepository[]]
    const configs = new Map<string, Descriptor>()
    const skipped: { image: string; why: string }[] = []
    const absent: string[] = []
    for (const [done, repository] of moment.repositories.entries()) {
      onProgress({ phase: 'choosing images', done, total: moment.repositories.length })
      const { name } = repository
      const meant: readonly ExactImages[] = exact.get(name) ?? []
      const patterns = isAll ? undefined : (selection?.of(name) ?? [])
      const found = await pickRepository(store, repository, { patterns, exact: meant }, options)
      found.matched.forEach((pattern) => matched.add(pattern))
      absent.push(...found.absent)
      skipped.push(...found.skipped)
      if (found.repository.images.length === 0) continue
      moment.hold(found.blobs.flatMap(({ digest, stored }) => [digest, stored]))
      for (const blob of found.blobs) if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob)
      for (const config of found.configs) configs.set(config.digest, config)
      repositories.push(found.repository)
    }
    const picked: Picked = {
      blobs: [...blobs.values()],
      repositories,
      signatures: pickSignatures(store, repositories),
      newest: await findNewest(store, [...configs.values()], blobs, now),
      skipped,
      unmatched: [
        ...(selection?.patterns.filter((pattern) => !matched.has(pattern)).map(({ text }) => text) ?? []),
        ...absent,
      ],
    }
    return { picked, release: () => moment.release() }
  } catch (error) {
    moment.release()
    throw error
  }
}

function pickSignatures({ layout }: Store, repositories: readonly PickedRepository[]): PickedSignature[] {
  const manifests = new Set(repositories.flatMap(({ images }) => images.flatMap(({ manifests }) => manifests)))
  return listSigned(layout)
    .filter((digest) => manifests.has(digest))
    .flatMap((of) =>
      readSignatures(layout, of).map(({ number, bytes }) => ({ of, number, bytes: bytes.toString('base64') })),
    )
}

/** When the newest image was made; a time that is yet to come is none. */
async function findNewest(
  store: Store,
  configs: readonly Descriptor[],
  blobs: ReadonlyMap<string, PickedBlob>,
  now: number,
): Promise<number> {
  let newest = 0
  for (const { digest } of configs.toSorted((a, b) => (hexOf(a.digest) < hexOf(b.digest) ? -1 : 1))) {
    const blob = blobs.get(digest)
    if (blob === undefined || blob.size > LARGEST_CONFIG) continue
    const bytes = await store.blobs.readSmall(digest, blob.stored, LARGEST_CONFIG)
    const seconds = bytes === undefined ? 0 : readCreated(bytes)
    if (seconds > newest && seconds <= Math.min(now + DAY_S, LATEST_TIME)) newest = seconds
  }
  return newest
}

function readCreated(bytes: Uint8Array): number {
  try {
    const config: unknown = JSON.parse(Buffer.from(bytes).toString())
    const { created } = (config ?? {}) as { created?: unknown }
    const milliseconds = typeof created === 'string' ? Date.parse(created) : Number.NaN
    return Number.isNaN(milliseconds) ? 0 : Math.max(0, Math.floor(milliseconds / 1000))
  } catch {
    return 0
  }
}

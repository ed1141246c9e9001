// Takes away what is left of a repository whose tags and manifests are gone: layer links, torn links, and then its own
// directories, so that nobody lists it any more. Uploads under way stay, and so does every file that nobody knows, and
// every link that somebody was promised: a push that has been told "it is here" names the blob in a manifest later.
// The caller excludes changes to the repository; a push of a blob into it is not such a change and may come at any time.
import { rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { childOf } from '../storage/layout.ts'
import { listDirectories } from '../storage/repositories.ts'
import { directoryIdentity, statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import { inTurns } from '../storage/turn.ts'
import { inParallel } from './delete.ts'

/**
 * Drops the repository; its empty directory, one that is being written to just now, and what was promised is left to
 * collection.
 */
export async function dropRepository(store: Store, name: RepositoryName): Promise<void> {
  const { layout, durable, links, leases } = store
  // Torn tags, and their history: whole ones are gone.
  await inParallel(await listDirectories(layout.tags(name)), (tag) =>
    durable.removeTree(childOf(layout.tags(name), tag)),
  )
  await inParallel(await listDigests(layout.revisions(name)), async (digest) => {
    await durable.remove(layout.revisionLink(name, digest))
  })
  await inParallel(await listDigests(layout.layers(name)), async (digest) => {
    await links.remove(name, digest, () => leases.isFree(digest))
  })
  const shells = [
    ...(await listDigests(layout.layers(name))).map((digest) => layout.layerLink(name, digest)),
    ...(await listDigests(layout.revisions(name))).map((digest) => layout.revisionLink(name, digest)),
  ].map((link) => dirname(link))
  const withAlgorithms = (directory: string): string[] => [
    ...ALGORITHMS.map((algorithm) => childOf(directory, algorithm)),
    directory,
  ]
  const rest = [
    ...withAlgorithms(layout.revisions(name)),
    layout.tags(name),
    dirname(layout.tags(name)),
    layout.uploads(name),
  ]
  // Somebody who writes there holds the name from before the first directory to the link: to ask and to remove must
  // be one step. A repository that goes on has all of its directories.
  const drop = async (paths: readonly string[], mayGo: () => boolean): Promise<void> => {
    for (const path of paths) {
      if (leases.isFree(name) && mayGo()) removeEmpty(path)
      // A busy disk takes milliseconds for each.
      await setImmediate()
    }
  }
  await drop([...shells, ...withAlgorithms(layout.layers(name))], () => true)
  await drop(rest, () => directoryIdentity(layout.layers(name)) === undefined)
}

/** How many links of the repository `dropRepository` leaves, because clients were promised their blobs. */
export async function countPromised({ layout, leases }: Store, name: RepositoryName): Promise<number> {
  let promised = 0
  for await (const digest of inTurns(await listDigests(layout.layers(name)))) {
    if (!leases.isFree(digest) && statFile(layout.layerLink(name, digest)) !== undefined) promised += 1
  }
  return promised
}

async function listDigests(directory: string): Promise<Digest[]> {
  const lists = ALGORITHMS.map(async (algorithm) =>
    (await listDirectories(childOf(directory, algorithm))).map((hex) => joinDigest(algorithm, hex)),
  )
  return (await Promise.all(lists)).flat().filter((digest) => digest !== undefined)
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // It is not empty, or not there, or not to be had: an empty directory is in nobody's way.
  }
}

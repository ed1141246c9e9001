// Puts a right copy in the place of a blob that is wrong or lost: out of the server's memory, the trash, the quarantine,
// or a source. Every copy is hashed before it goes in, and goes in like an upload: whole, and durable (I3).
import { constants, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, digestOf, hexOf } from '../../oci/digest.ts'
import { hashFile } from '../hash-file.ts'
import { childOf } from '../layout.ts'
import { statFile } from '../stamp.ts'
import type { Store } from '../store.ts'
import type { Fault } from './fault.ts'
import type { Guard } from './guard.ts'
import { orAborted } from './guard.ts'
import type { BlobSource } from './source.ts'
import { takeIn } from './stage.ts'

export type Healing = Pick<Store, 'layout' | 'blobs' | 'manifests' | 'verdicts'>

/**
 * Heals the blob of `fault`; gives the name of what it was healed from, undefined when nobody has it. A source that
 * fails is told to `onFailure`, and the next one is asked. Throws what our own disk says, and what `guard` does.
 */
export async function healBlob(
  store: Healing,
  fault: Fault & { readonly digest: Digest },
  sources: readonly BlobSource[],
  onFailure: (source: string, error: unknown) => void,
  guard: Guard,
): Promise<string | undefined> {
  const { digest, size } = fault
  prepare(store, fault)
  if (await healFromMemory(store, digest, guard)) return 'memory'
  if (await healFromTrash(store, digest, guard)) return 'the trash'
  if (await healFromQuarantine(store, digest, guard)) return 'the quarantine'
  for (const source of sources) {
    let bytes
    try {
      bytes = await openSource(source, digest, size, guard.signal)
    } catch (error) {
      guard.require()
      onFailure(source.name, error)
      continue
    }
    if (bytes === undefined) continue
    // What breaks off is the source's fault, what cannot be written is ours and ends the healing.
    let broken: unknown
    bytes.once('error', (error) => (broken = error))
    try {
      if (await takeIn(store, digest, bytes, size, guard)) return source.name
    } catch (error) {
      guard.require()
      if (broken === undefined) throw error
      onFailure(source.name, error)
    } finally {
      bytes.destroy()
    }
  }
  return undefined
}

// One that does not answer is not waited for; what it gives later is not wanted any more.
async function openSource(source: BlobSource, digest: Digest, size: number | undefined, signal: AbortSignal) {
  const opening = source.open(digest, size, signal)
  try {
    return await orAborted(opening, signal)
  } catch (error) {
    void opening.then(
      (bytes) => bytes?.destroy(),
      () => undefined,
    )
    throw error
  }
}

/** Makes sure that the wrong file is not taken for the blob when a right one comes; called before anything is put in. */
export function prepare({ layout, verdicts }: Healing, { digest, facts }: Fault): void {
  // A verdict of "whole" for this state of the file is older than its rot.
  if (digest === undefined || facts === undefined) return
  if (statQuietly(layout.blobData(digest)) === facts.stamp && verdicts.of(digest, facts.stamp) === 'whole') {
    verdicts.forget(digest)
  }
}

async function healFromMemory({ manifests, blobs }: Healing, digest: Digest, guard: Guard): Promise<boolean> {
  const bytes = manifests.recall(digest)?.bytes
  if (bytes === undefined || digestOf(bytes, algorithmOf(digest)) !== digest) return false
  guard.require()
  await blobs.put(bytes, digest)
  return true
}

async function healFromTrash({ layout, blobs }: Healing, digest: Digest, guard: Guard): Promise<boolean> {
  const trash = layout.blobTrash(digest)
  if (!(await hashesTo(trash, digest, guard.signal))) return false
  guard.require()
  if (statQuietly(layout.blobData(digest)) !== undefined) {
    await blobs.commit(trash, digest)
    return true
  }
  return blobs.restore(digest) && blobs.hold(digest)
}

async function healFromQuarantine({ layout, blobs }: Healing, digest: Digest, guard: Guard): Promise<boolean> {
  const prefix = `${algorithmOf(digest)}-${hexOf(digest)}.`
  const names = listNames(layout.quarantine).filter((name) => name.startsWith(prefix))
  for (const name of names.toSorted().toReversed()) {
    const path = childOf(layout.quarantine, name)
    if (!(await hashesTo(path, digest, guard.signal))) continue
    guard.require()
    await blobs.commit(path, digest)
    return true
  }
  return false
}

async function hashesTo(path: string, digest: Digest, signal: AbortSignal): Promise<boolean> {
  try {
    if (statFile(path) === undefined) return false
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      return (await hashFile(handle, algorithmOf(digest), signal)) === hexOf(digest)
    } finally {
      await handle.close()
    }
  } catch {
    signal.throwIfAborted()
    // It cannot be read, so nothing can be healed from it.
    return false
  }
}

function statQuietly(path: string): string | undefined {
  try {
    return statFile(path)?.stamp
  } catch {
    return undefined
  }
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

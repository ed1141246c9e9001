// A store over a fresh directory, with a clock that the test turns and fsyncs that it can watch or break.
import { randomUUID } from 'node:crypto'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { Closures } from '../../src/registry/closures.ts'
import type { Context, Rules } from '../../src/registry/context.ts'
import type { Sync, SyncSite } from '../../src/storage/sync.ts'
import { realSync } from '../../src/storage/sync.ts'
import type { Store, StoreOptions } from '../../src/storage/store.ts'
import { openStore } from '../../src/storage/store.ts'

export interface TestStore extends Store {
  readonly directory: string
  /** The clock that the store goes by. */
  readonly clock: () => number
  /** Milliseconds that the clock is ahead of the real one. */
  turn(milliseconds: number): void
}

export function makeStore(directory: string, sync?: Sync, options: Partial<StoreOptions> = {}): TestStore {
  // Ahead of every ctime, so that no file counts as changing.
  let ahead = 10_000
  const clock = (): number => Date.now() + ahead
  const store = openStore({ directory, keeps: () => true, clock, newId: randomUUID, sync, ...options })
  return {
    ...store,
    directory,
    clock,
    turn(milliseconds) {
      ahead += milliseconds
    },
  }
}

export function makeContext(store: TestStore, rules: Partial<Rules> = {}): Context {
  return {
    store,
    closures: new Closures(store, store.clock),
    rules: {
      deleteEnabled: true,
      readOnly: () => undefined,
      requiresWhole: true,
      allowsUrl: undefined,
      requiresChild: () => false,
      ...rules,
    },
  }
}

/** Fsyncs that really happen and are written down as `site path`. */
export function recordSyncs(): Sync & { readonly seen: string[] } {
  const seen: string[] = []
  return {
    seen,
    async file(site, handle) {
      await realSync.file(site, handle)
      seen.push(site)
    },
    async directory(site, path) {
      await realSync.directory(site, path)
      seen.push(`${site} ${path}`)
    },
  }
}

/** Fsyncs of `site` that fail with `code` while `broken()` says so. */
export function breakSyncs(site: SyncSite, code: string, broken: () => boolean): Sync {
  const fail = (at: SyncSite): void => {
    if (at === site && broken()) throw Object.assign(new Error(`injected ${code}`), { code })
  }
  return {
    async file(at, handle) {
      fail(at)
      await realSync.file(at, handle)
    },
    async directory(at, path) {
      fail(at)
      await realSync.directory(at, path)
    },
  }
}

export const A: RepositoryName = parseRepositoryName('team/a')
export const B: RepositoryName = parseRepositoryName('team/b')

/** Pushes bytes as a blob the way the registry does. */
export async function pushBytes(store: Store, name: RepositoryName, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  await store.repositories.ensure(name)
  const key = await store.uploads.begin(name, undefined, 'sha256')
  await store.uploads.finish(key, digest, { source: streamOf(bytes) }, async (data) => {
    await store.blobs.commit(data, digest)
    await store.links.add(name, digest)
  })
  return digest
}

export async function* streamOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

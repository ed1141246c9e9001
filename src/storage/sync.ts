// Every fsync of the store goes through here under a name, so that a test can leave one out and must see that it is
// missing. Those of one directory are shared by all who wait for them.
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'

/** Every place that calls fsync, by name, so that a test can leave one out and must see it missing. */
export const SYNC_SITES = [
  'blob file', // the bytes of a blob, before its rename
  'blob directory', // its new name
  'link file', // the bytes of a link, before its rename
  'link directory', // its new name
  'new directory', // the name of a directory that was made (in its parent)
  'removed name', // the directory that lost a link
  'held file', // bytes that another program wrote and that an answer now promises
  'held directory', // their name
] as const

export type SyncSite = (typeof SYNC_SITES)[number]

export interface Sync {
  file(site: SyncSite, handle: FileHandle): Promise<void>
  directory(site: SyncSite, path: string): Promise<void>
}

export const realSync: Sync = {
  file: (_site, handle) => handle.sync(),
  async directory(_site, path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

/** The fsyncs of directories under way. */
export class DirectorySyncs {
  readonly #sync: Sync
  readonly #running = new Map<string, { now: Promise<void>; next: Promise<void> | undefined }>()

  constructor(sync: Sync) {
    this.#sync = sync
  }

  // One fsync serves all who asked before it began: whoever comes while one runs waits for the next,
  // because the running one may have passed the point where it would see the newcomer's name.
  /** Syncs the directory at `path`; throws what fsync says. */
  run(site: SyncSite, path: string): Promise<void> {
    const key = `${site}\n${path}`
    const entry = this.#running.get(key)
    if (entry !== undefined) {
      entry.next ??= entry.now.then(
        () => this.#startSync(key, site, path),
        () => this.#startSync(key, site, path),
      )
      return entry.next
    }
    return this.#startSync(key, site, path)
  }

  #startSync(key: string, site: SyncSite, path: string): Promise<void> {
    const now = this.#sync.directory(site, path)
    const entry = { now, next: undefined as Promise<void> | undefined }
    this.#running.set(key, entry)
    const settle = (): void => {
      if (this.#running.get(key) === entry && entry.next === undefined) this.#running.delete(key)
    }
    now.then(settle, settle)
    return now
  }
}

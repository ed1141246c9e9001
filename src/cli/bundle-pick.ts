// Lets the images of a bundle be chosen: by the registry that keeps the directory, whose leases then hold, else here. The
// directory is only read, so that this works on one of registry:2, and on a disk that cannot be written.
import { randomUUID } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { pickImages } from '../bundle/pick.ts'
import type { PickOptions, Picked } from '../bundle/picked.ts'
import type { SyncedImages } from '../bundle/sync-images.ts'
import { findSynced } from '../bundle/sync-images.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { SyncEntry } from '../config/sync-file.ts'
import { settleUpstreams } from '../config/upstreams.ts'
import type { ActEvent } from '../http/api/given.ts'
import type { Layout } from '../storage/layout.ts'
import type { Store } from '../storage/store.ts'
import { openStore } from '../storage/store.ts'
import { findDataDirectory } from './data-directory.ts'
import { findRegistry } from './reach.ts'

export interface PickedHere {
  readonly picked: Picked
  readonly layout: Layout
  /** Lets go of what a registry keeps. */
  readonly release: () => Promise<void>
}

// A fifth of the time for which a registry waits.
const KEEP_MS = 60_000

/** Picks what `options` select. Throws a Problem, the registry's own where one did it. `clock` gives milliseconds. */
export async function pickHere(
  home: LoadedConfig,
  options: PickOptions,
  clock: () => number,
  onEvent: (event: ActEvent) => void,
): Promise<PickedHere> {
  const layout = findDataDirectory(home)
  const registry = await findRegistry(home)
  if (registry === undefined) {
    const store = openHere(layout, clock)
    const { picked, release } = await pickImages(store, options, clock() / 1000, onEvent)
    return { picked, layout, release: async () => release() }
  }
  const { images, exact, platforms, referrers, keepTags } = options
  const named = exact?.map((one) => ({
    ...one,
    tags: [...one.tags],
    digests: [...one.digests],
    platforms: [...one.platforms],
  }))
  const asked = { images: [...images], platforms: [...platforms], referrers, keepTags, ...(named && { exact: named }) }
  const { hold, ...picked } = await registry.call('POST /bundle/pick', asked, onEvent)
  // Whatever is wrong with it is noticed at the end, and by a file that is gone.
  const keep = (): void => void registry.call('POST /bundle/keep', { hold }).catch(() => undefined)
  const timer = setInterval(keep, KEEP_MS).unref()
  return {
    picked,
    layout,
    async release() {
      clearInterval(timer)
      await registry.call('POST /bundle/release', { hold }).catch(() => undefined)
      await registry.close()
    },
  }
}

/** The images that entries of sync files mean, as they lie here; reads the directory. */
export async function findSyncedHere(
  home: LoadedConfig,
  entries: readonly SyncEntry[],
  clock: () => number,
): Promise<SyncedImages> {
  const known = settleUpstreams(home.config, dirname(resolve(home.path ?? 'config.yml')))
  return findSynced(openHere(findDataDirectory(home), clock), entries, known)
}

function openHere(layout: Layout, clock: () => number): Store {
  return openStore({ directory: layout.root, keeps: () => false, clock, newId: randomUUID })
}

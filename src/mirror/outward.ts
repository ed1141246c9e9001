// What an act needs that fetches from other registries because a person says so: not only what the mirror was configured
// for, and with the mirror's own transfers and limits where there is a mirror (I9).
import type { SyncFile } from '../config/sync-file.ts'
import type { Fetching } from './fetching.ts'
import type { Upstream } from './upstream.ts'

export interface Outward {
  /** Undefined where there is no data directory to fetch into. */
  readonly fetching: (() => Fetching) | undefined
  /** Why no connection outwards may be opened, as a sentence. */
  readonly forbidden: () => string | undefined
  /**
   * The registries that one act asks, by the names that images have for them; `said` stands above the configuration, `limits`
   * hold for all of which it says nothing else. Opens
   * no connection. `find` throws a Problem for what a person must mend.
   */
  readonly openUpstreams: (
    said: SyncFile['registries'],
    limits?: SyncFile['limits'],
  ) => {
    find(host: string): Upstream
    close(): Promise<void>
  }
}

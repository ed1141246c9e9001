// The registries that a sync takes from, each with one client for the whole run: the mirror's own where the sync file says
// nothing else of it, so that both keep its limits together.
import type { UpstreamConfig } from '../../config/upstreams.ts'
import { usualUpstream } from '../../config/upstreams.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import { Upstream } from '../upstream.ts'
import type { SyncOrder } from './order.ts'

export interface SyncUpstreamsParts {
  /** Those of the configuration. */
  readonly configured: readonly UpstreamConfig[]
  /** Those that the mirror of this process opened. */
  readonly shared: readonly Upstream[]
  /** Makes a client; opens no connection. Throws a Problem for what a person must mend. */
  readonly open: (config: UpstreamConfig) => UpstreamClient
}

export class SyncUpstreams {
  readonly #order: Pick<SyncOrder, 'registries' | 'limits'>
  readonly #parts: SyncUpstreamsParts
  readonly #found = new Map<string, Upstream>()
  readonly #opened: UpstreamClient[] = []

  constructor(order: Pick<SyncOrder, 'registries' | 'limits'>, parts: SyncUpstreamsParts) {
    this.#order = order
    this.#parts = parts
  }

  /** The registry that images call `host`. Throws as `open` does. */
  find(host: string): Upstream {
    const known = this.#found.get(host)
    if (known !== undefined) return known
    const upstream = this.#make(host)
    this.#found.set(host, upstream)
    return upstream
  }

  /** Ends the connections of the clients that were made here. */
  async close(): Promise<void> {
    await Promise.all(this.#opened.map((client) => client.close()))
  }

  #make(host: string): Upstream {
    const { registries, limits } = this.#order
    const { configured, shared, open } = this.#parts
    const said = { ...limits, ...registries.get(host) }
    // Of two with one host the last is what clients mean. What they may not ask for (`allow`, `deny`) is no matter here:
    // somebody names it.
    const mirrors = shared.findLast(({ config }) => config.host === host)
    if (mirrors !== undefined && Object.keys(said).length === 0) {
      // Pulls may have found it away a while ago: a sync looks for itself.
      mirrors.client.hasten()
      return mirrors
    }
    const usual = configured.findLast((config) => config.host === host) ?? usualUpstream(host)
    // Who writes another address has its own token server there.
    const config = { ...usual, ...(said.url && { origins: [] }), ...said }
    const client = open(config)
    this.#opened.push(client)
    return new Upstream(config, client)
  }
}

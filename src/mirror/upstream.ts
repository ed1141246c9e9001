// One configured upstream, ready to be asked: its client, its rules, and how long its tags count as fresh.
import type { UpstreamConfig } from '../config/upstreams.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { compileGlob } from '../oci/glob.ts'
import type { RepositoryName } from '../oci/name.ts'
import { matchesPlatform } from '../oci/platform.ts'
import type { Tag } from '../oci/reference.ts'
import type { UpstreamClient } from '../upstream/client.ts'

export class Upstream {
  readonly config: UpstreamConfig
  readonly client: UpstreamClient
  readonly #allows: readonly ((name: string) => boolean)[]
  readonly #denies: readonly ((name: string) => boolean)[]

  constructor(config: UpstreamConfig, client: UpstreamClient) {
    this.config = config
    this.client = client
    this.#allows = config.allow.map(compileGlob)
    this.#denies = config.deny.map(compileGlob)
  }

  /** Whether `allow` and `deny` let a repository of it be asked for. */
  allows(name: RepositoryName): boolean {
    if (this.#denies.some((matches) => matches(name))) return false
    return this.#allows.length === 0 || this.#allows.some((matches) => matches(name))
  }

  /** Milliseconds for which what the upstream said of a tag is good. */
  freshFor(tag: Tag): number {
    return this.config.fresh.find(({ tags }) => tags.test(tag))?.for ?? 0
  }

  /** Whether children of an index are filled without having been asked for. */
  wants({ platform }: Descriptor): boolean {
    const { platforms } = this.config
    if (typeof platforms === 'string') return platforms === 'all'
    return platforms.some((wanted) => matchesPlatform(platform, wanted))
  }
}

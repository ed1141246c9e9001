// What a handler of /v2 is given: the request as the path parser and the gate left it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RepositoryName } from '../oci/name.ts'
import type { Context } from '../registry/context.ts'
import type { Source } from '../registry/source.ts'
import type { Target } from './path.ts'

export interface Surroundings {
  readonly context: Context
  /** Where what is pulled comes from. */
  readonly source: Source
  /** The repository that a request means by a name and by containerd's `?ns=`, where it has one. */
  readonly resolve: (name: string, ns: string | undefined, host: string | undefined) => string
  /** What comes before `/v2` in every URL of this registry: the prefix, and the host if one is configured. */
  readonly base: string
  /** `http.prefix` without its last slash. */
  readonly prefix: string
  /** Why clients may neither push nor delete; undefined where the gate alone decides. */
  readonly noPush: string | undefined
  /** Bytes that a manifest may have. */
  readonly manifestLimit: number
  /** Items on a page of the catalog and of a list of tags at most. */
  readonly pages: { readonly catalog: number; readonly tags: number }
  /**
   * Resolves when the event loop has taken in all requests that wait at its door. Answers that are sent together
   * cost less than one by one, each of which wakes its client; measured: 42 of 139 µs a manifest.
   */
  readonly turn: () => Promise<void>
  /** Whether the user may pull from the repository; without one: from every repository. */
  readonly mayPull: (user: string | undefined, name: RepositoryName | undefined) => boolean
}

/** What the hooks found out about a request, before its handler. */
export interface Found {
  readonly target: Target
  /** Who logged in; undefined for anonymous, or while that is not known. */
  readonly user: string | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the path was read, and for what is not /v2. */
    tarn: Found | null
  }
}

/** One request and its answer. */
export interface Exchange extends Surroundings {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly query: URLSearchParams
  /** Who logged in; undefined for anonymous. */
  readonly user: string | undefined
}

/** A request whose path is of kind `K`. */
export interface Call<K extends Target['kind']> extends Exchange {
  readonly target: Extract<Target, { kind: K }>
}

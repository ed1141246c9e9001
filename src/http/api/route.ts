// What a route of the admin API is. One table of them (routes.ts) makes the HTTP routes, the local socket's, what
// commands call in their own process, and the OpenAPI document.
import type { Static, TSchema } from 'typebox'
import type { Given } from './given.ts'

export interface Route<Body extends TSchema = TSchema, Report = unknown> {
  /** Every route names its action (I7). */
  readonly action: 'admin'
  readonly summary: string
  /** What the body may hold; the schema of an empty object for GET. */
  readonly body: Body
  /** Bytes of the body; 64 KiB unless told. */
  readonly largest?: number
  /** The schema of the answer; of the last event's `report` where the act is long. */
  readonly report: TSchema
  /** Whether the answer is a stream of events that ends with the report. */
  readonly long: boolean
  /** Whether it can change the directory with these options; a registry that is read-only refuses it then. */
  readonly changes: (body: Static<Body>) => boolean
  /**
   * `archive`: the options are the query, and the body is a tar as a stream. Without it the body is the options as JSON, and
   * GET has none.
   */
  readonly takes?: 'archive'
  /** The answer is a tar as a stream, and the options are the query. */
  readonly gives?: 'archive'
  /** Why these options are taken on the local socket only. */
  readonly localOnly?: (body: Static<Body>) => string | undefined
  readonly act: (given: Given<Static<Body>>) => Promise<Report>
}

/** Gives the route back, with the type of its options and of its report. */
export function route<Body extends TSchema, Report>(facts: Route<Body, Report>): Route<Body, Report> {
  return facts
}

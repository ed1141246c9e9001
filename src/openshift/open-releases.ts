// The acts on releases over one data directory, or over none.
import type { OpenPushParts } from '../mirror/open-push.ts'
import { openPush } from '../mirror/open-push.ts'
import type { Outward } from '../mirror/outward.ts'
import type { Context } from '../registry/context.ts'
import { Releases } from './releases.ts'

export interface OpenReleasesParts extends OpenPushParts {
  readonly context: Context | undefined
  readonly outward: Outward
}

/** Opens no connection and reads no file. */
export function openReleases({ context, outward, ...parts }: OpenReleasesParts): Releases {
  return new Releases({ context, outward, openPush: (upstream) => openPush(upstream, parts), clock: parts.clock })
}

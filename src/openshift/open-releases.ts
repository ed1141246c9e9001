// The acts on releases over one data directory, or over none.
import type { AllowedSigner } from '../bundle/allowed-signers.ts'
import type { OpenPushParts } from '../mirror/open-push.ts'
import { openPush } from '../mirror/open-push.ts'
import type { Outward } from '../mirror/outward.ts'
import type { Context } from '../registry/context.ts'
import { Releases } from './releases.ts'

export interface OpenReleasesParts extends OpenPushParts {
  readonly context: Context | undefined
  readonly outward: Outward
  /** Who may sign bundles, now; undefined where nobody said. */
  readonly signers: () => readonly AllowedSigner[] | undefined
}

/** Opens no connection and reads no file. */
export function openReleases({ context, outward, signers, ...parts }: OpenReleasesParts): Releases {
  const { clock } = parts
  return new Releases({ context, outward, signers, openPush: (upstream) => openPush(upstream, parts), clock })
}

// The acts on releases, put together for the admin API and for commands: from what a person writes to sources and targets.
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { AllowedSigner } from '../bundle/allowed-signers.ts'
import type { PushClient } from '../upstream/push-client.ts'
import { Problem } from '../config/problem.ts'
import type { SyncFile } from '../config/sync-file.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { storeTarget } from '../exchange/store-target.ts'
import type { Outward } from '../mirror/outward.ts'
import type { Upstream } from '../mirror/upstream.ts'
import type { Progress } from '../registry/collect.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { Room } from '../storage/room.ts'
import { storeSignature } from '../storage/signatures.ts'
import { statFile } from '../storage/stamp.ts'
import { fetchingTarget } from './fetching-target.ts'
import { findPayload } from './find-payload.ts'
import { judgeRelease } from './judge-release.ts'
import type { Instructions } from './mirror-instructions.ts'
import { keepSignatures } from './keep-signatures.ts'
import type { MirrorOrder } from './mirror-release.ts'
import { mirrorRelease } from './mirror-release.ts'
import { openOtherTarget } from './other-target.ts'
import type { OpenedPlace } from './open-place.ts'
import { openPlace } from './open-place.ts'
import { NoRelease } from './payload.ts'
import type { ReleaseTarget } from './release-reference.ts'
import { hostOfTarget, parseReleaseImage, parseReleaseName, parseReleaseTarget } from './release-reference.ts'
import { writeRecord } from './release-record.ts'
import type { MirrorReport, ReleaseInfo, VerifyReport } from './release-report.ts'
import { describeRelease } from './describe-release.ts'
import type { TagStyle } from './release-tags.ts'
import { verifyRelease } from './verify-release.ts'

export interface ReleasesParts {
  /** The data directory; without it only other places can be read and written. */
  readonly context: Context | undefined
  readonly outward: Outward
  /** Opens the registry that images call `host`, to push to. Throws a Problem for what a person must mend. */
  readonly openPush: (upstream: Upstream) => PushClient
  /** Who may sign bundles, now; undefined where nobody said. */
  readonly signers: () => readonly AllowedSigner[] | undefined
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** What every act is told. */
export interface ReleaseAsk {
  /** As parseReleaseName reads it. */
  readonly from: string
  /** The image in an archive. */
  readonly image?: string | undefined
  /** Stores of signatures beside those of the payload. */
  readonly stores?: readonly string[] | undefined
  /** What stands above the configuration. */
  readonly registries?: SyncFile['registries'] | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface VerifyAsk extends ReleaseAsk {
  readonly style: TagStyle
  readonly fast: boolean
  readonly requireSignature: boolean
}

export interface MirrorAsk extends ReleaseAsk {
  /** As parseReleaseTarget reads it. */
  readonly to: string
  readonly releaseImage?: string | undefined
  /** This registry as clients name it. */
  readonly host: string
  readonly style: TagStyle
  readonly instructions: Instructions
  readonly dryRun: boolean
  readonly requireSignature: boolean
}

interface Opened {
  readonly place: OpenedPlace
  readonly upstreams: ReturnType<Outward['openUpstreams']>
}

export class Releases {
  readonly #parts: ReleasesParts

  constructor(parts: ReleasesParts) {
    this.#parts = parts
  }

  /** What a payload says. Throws a Problem when there is none, as all of these do. */
  async info(ask: ReleaseAsk): Promise<ReleaseInfo> {
    return this.#open(ask, async ({ place }) => {
      const { signal } = ask
      const payload = await findPayload(place.source, place, place.name, { signal })
      const { report } = await judgeRelease(payload, {
        find: place.findSignatures,
        now: new Date(this.#parts.clock()),
      })
      return describeRelease(place, payload, report)
    })
  }

  /** Whether everything of a release is where it is said to be. */
  async verify(ask: VerifyAsk): Promise<VerifyReport> {
    const { clock } = this.#parts
    const { onProgress, ...rest } = ask
    return this.#open(ask, async ({ place }) => {
      try {
        return await verifyRelease({ ...rest, place, clock, ...(onProgress && { onProgress }) })
      } catch (error) {
        // A release image that is lost or spoiled is what this looks for.
        if (!(error instanceof NoRelease)) throw error
        throw new Problem(error.message, { hint: 'mirror it again: tarn release mirror', exitCode: 4, cause: error })
      }
    })
  }

  /** Mirrors a release. */
  async mirror(ask: MirrorAsk): Promise<MirrorReport> {
    const { clock, context } = this.#parts
    const { style, instructions, dryRun, requireSignature, signal, onProgress } = ask
    const to = parseReleaseTarget(ask.to)
    const named = ask.releaseImage === undefined ? undefined : parseReleaseImage(ask.releaseImage, to, ask.host)
    return this.#open(ask, async (opened) => {
      const { place } = opened
      let fetched = 0
      const target = await this.#openTarget(to, opened, { dryRun, onBytes: (count) => (fetched += count) })
      try {
        return await mirrorRelease({
          from: place,
          target: target.takes,
          to: to.repository,
          host: hostOfTarget(to, ask.host),
          directory: to.kind === 'dir' ? to.path : undefined,
          releaseImage: named,
          style,
          instructions,
          dryRun,
          room: roomOf(to, context),
          requireSignature,
          storeSignature: keeperOf(to, context),
          record: recorderOf(to, context),
          signal,
          onProgress: (progress) => onProgress?.({ ...progress, bytes: (progress.bytes ?? 0) + fetched }),
          clock,
        })
      } finally {
        await target.close()
      }
    })
  }

  async #open<T>(ask: ReleaseAsk, act: (opened: Opened) => Promise<T>): Promise<T> {
    const { context, outward } = this.#parts
    const name = parseReleaseName(ask.from, ask.image)
    const forbidden = name.kind === 'registry' ? outward.forbidden() : undefined
    if (forbidden !== undefined) {
      throw new Problem(`${ask.from} cannot be asked for: ${forbidden}`, {
        hint: 'take the release from an archive (dir:PATH, bundle:PATH), or let this registry go online',
      })
    }
    const upstreams = outward.openUpstreams(ask.registries ?? new Map())
    try {
      const isOffline = outward.forbidden() !== undefined
      const bundles = { signers: this.#parts.signers(), required: false, now: this.#parts.clock() }
      const asked = { stores: ask.stores ?? [], text: ask.from }
      const place = await openPlace(name, { context, upstreams, isOffline, bundles, ...asked })
      try {
        return await act({ place, upstreams })
      } finally {
        await place.close()
      }
    } finally {
      await upstreams.close()
    }
  }

  async #openTarget(
    to: ReleaseTarget,
    { place, upstreams }: Opened,
    { dryRun, onBytes }: { readonly dryRun: boolean; readonly onBytes: (count: number) => void },
  ): Promise<{ takes: (from: { source: unknown; repository: unknown }) => ImageTarget; close: () => Promise<void> }> {
    const { context, outward, openPush } = this.#parts
    if (to.kind === 'local') {
      if (context === undefined)
        throw new Problem('there is no registry here', { hint: 'name its configuration: --config FILE' })
      if (!dryRun) requireWritable(context)
      const target = storeTarget(context, 'this registry')
      const { fetching } = outward
      return {
        takes: ({ source, repository }) => {
          const upstream = place.upstreamOf(source)
          if (upstream === undefined || fetching === undefined) return target
          return fetchingTarget(target, fetching().blobs, { upstream, repository: repository as never }, onBytes)
        },
        close: async () => undefined,
      }
    }
    const target = await openOtherTarget(to, { find: upstreams.find.bind(upstreams), openPush })
    return { takes: () => target, close: () => target.close() }
  }
}

/** Where good signatures are kept: for clusters to be served, or beside the images as oc does; a registry takes none. */
function keeperOf(to: ReleaseTarget, context: Context | undefined): MirrorOrder['storeSignature'] {
  if (to.kind === 'dir') return keepSignatures(to.path)
  if (to.kind === 'registry' || context === undefined) return undefined
  return async (digest, bytes) => (await storeSignature(context.store, digest, bytes)).added
}

/** Only of this registry's own directory anybody asks later what came with a release. */
function recorderOf(to: ReleaseTarget, context: Context | undefined): MirrorOrder['record'] {
  if (to.kind !== 'local' || context === undefined) return undefined
  return (digest, record) => writeRecord(context.store, digest, record)
}

/** A registry elsewhere says nothing of its disk. */
function roomOf(to: ReleaseTarget, context: Context | undefined): MirrorOrder['room'] {
  if (to.kind === 'dir') {
    const room = new Room(findExisting(to.path))
    return { spare: () => room.spare(), begun: () => 0 }
  }
  if (to.kind === 'registry' || context === undefined) return undefined
  const { room, layout } = context.store
  return { spare: () => room.spare(), begun: (digest) => statFile(layout.mirrorBlob(digest))?.size ?? 0 }
}

/** The directory, or the one in which it is to be made. */
function findExisting(path: string): string {
  for (let found = path; ; found = dirname(found)) if (existsSync(found) || found === dirname(found)) return found
}

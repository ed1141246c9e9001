// The conformance checks as one call, against any registry: every row C-01 to C-23 for every data variant.
// It must never touch a repository but the two that it is given (and names that begin with the first).
import type { Test } from 'tap'
import type { Target } from '../../helpers/client.ts'
import { openClient } from '../../helpers/client.ts'
import { checkBlobs } from './blobs.ts'
import type { Context } from './check.ts'
import { checkDeletes } from './deletes.ts'
import { checkManifestErrors, checkPull, checkPush } from './manifests.ts'
import { checkNoReferrers, checkReferrers } from './referrers.ts'
import { checkEmpty, checkTags } from './tags.ts'
import { checkUploads } from './uploads.ts'
import { VARIANTS, fillVariant } from './variants.ts'

export interface ConformanceTarget extends Target {
  /** `dev` adds what came after distribution-spec 1.1.1: the tag parameter. */
  readonly version: 'stable' | 'dev'
  /** Both must be empty, and deletion must be enabled. */
  readonly repo1: string
  readonly repo2: string
  /** Whether images and indexes that name missing content must be taken too. */
  readonly sparse?: boolean
}

/** Runs all checks as assertions of `t`; ends when the last answer is judged. */
export async function runConformance(t: Test, target: ConformanceTarget): Promise<void> {
  const client = openClient(target)
  try {
    const base = {
      client,
      repo1: target.repo1,
      repo2: target.repo2,
      dev: target.version === 'dev',
    }
    const group = (name: string, act: (context: Context) => Promise<void>): Promise<unknown> =>
      t.test(name, async (inner) => act({ ...base, t: inner }))

    await group('empty', async (context) => {
      await checkEmpty(context)
      await checkNoReferrers(context)
    })
    for (const algorithm of ['sha256', 'sha512'] as const) {
      await group(`${algorithm} blobs`, async (context) => {
        await checkUploads(context, algorithm)
        await checkBlobs(context, algorithm)
      })
    }
    const variants = VARIANTS.filter(
      ({ dev, sparse }) => (dev !== true || base.dev) && (sparse !== true || target.sparse === true),
    )
    for (const variant of variants) {
      const content = fillVariant(variant)
      await group(variant.name, async (context) => {
        await checkPush(context, content, variant.tagParameter === true)
        await checkTags(context, content)
        await checkPull(context, content)
        await checkReferrers(context, content)
        await checkDeletes(context, content)
      })
    }
    await group('manifest errors', checkManifestErrors)
  } finally {
    client.close()
  }
}

// A collection as a person asks for it. With no grace what was taken shall be gone when the command ends: a second run
// confirms that nothing needs what the first put into the trash, and deletes it.
import type { CollectOptions, CollectReport, Collector, Progress } from './collect.ts'

/**
 * Runs the collection, twice where `grace` is 0 ms, and gives one report of all. A dry run tells what both would do.
 * Rejects as Collector.run does.
 */
export async function collectFully(
  collector: Pick<Collector, 'run'>,
  options: CollectOptions,
  onProgress: (progress: Progress) => void,
): Promise<CollectReport> {
  const first = await collector.run(options, onProgress)
  if (options.grace !== 0 || first.blobs.trashed === 0) return first
  if (options.dryRun) return foresee(first)
  return merge(first, await collector.run(options, onProgress))
}

function merge(first: CollectReport, second: CollectReport): CollectReport {
  const seen = new Set(first.problems.map(({ path, what }) => `${path}\n${what}`))
  return {
    ...first,
    seconds: first.seconds + second.seconds,
    repositories: {
      seen: first.repositories.seen,
      removed: first.repositories.removed + second.repositories.removed,
      left: second.repositories.left,
    },
    manifests: { seen: first.manifests.seen, removed: first.manifests.removed + second.manifests.removed },
    links: { seen: first.links.seen, removed: first.links.removed + second.links.removed },
    blobs: {
      ...first.blobs,
      kept: second.blobs.kept,
      trashed: first.blobs.trashed + second.blobs.trashed,
      trashedBytes: first.blobs.trashedBytes + second.blobs.trashedBytes,
      restored: first.blobs.restored + second.blobs.restored,
      deleted: first.blobs.deleted + second.blobs.deleted,
      deletedBytes: first.blobs.deletedBytes + second.blobs.deletedBytes,
    },
    waiting: second.waiting,
    removed: {
      repositories: [...first.removed.repositories, ...second.removed.repositories],
      manifests: [...first.removed.manifests, ...second.removed.manifests],
      blobs: [...first.removed.blobs, ...second.removed.blobs],
    },
    trash: second.trash,
    problems: [...first.problems, ...second.problems.filter(({ path, what }) => !seen.has(`${path}\n${what}`))],
    complete: first.complete && second.complete,
  }
}

function foresee(report: CollectReport): CollectReport {
  const { blobs, trash } = report
  return {
    ...report,
    blobs: {
      ...blobs,
      deleted: blobs.deleted + blobs.trashed,
      deletedBytes: blobs.deletedBytes + blobs.trashedBytes,
    },
    trash: { blobs: trash.blobs - blobs.trashed, bytes: trash.bytes - blobs.trashedBytes },
  }
}

// One moment of a data directory in use: which tags meant what, and which manifests each repository held, with nothing
// changed in between. What is read then stays, whatever is pushed, moved, deleted and collected until it is let go (I6).
import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { walkRevisions, walkTags } from '../storage/read-tags.ts'
import { compare } from '../storage/repositories.ts'
import type { Store } from '../storage/store.ts'
import type { WalkReport } from '../storage/walk.ts'

export interface MomentRepository {
  readonly name: RepositoryName
  /** Tags that have a link, by name. */
  readonly tags: ReadonlyMap<Tag, Digest>
  /** Manifests that it held, with the digest under which their bytes lie. */
  readonly revisions: ReadonlyMap<Digest, Digest>
}

export interface Moment {
  /** By name. */
  readonly repositories: readonly MomentRepository[]
  /** Keeps these too from being collected. */
  hold(digests: Iterable<Digest>): void
  /** Lets go of everything. */
  readonly release: () => void
}

type Part = Pick<Store, 'layout' | 'leases' | 'changes'>

// As many tiny files are read before others have their turn: some 2 ms of them.
const PER_TURN = 200

/**
 * Takes a moment of the repositories. While it reads, pushes and removals in these repositories wait; afterwards they go on.
 * Torn links count as absent; what cannot be read is told to `report`. Other programs are not kept out.
 */
export async function takeMoment(
  { layout, leases, changes }: Part,
  names: readonly RepositoryName[],
  report: WalkReport,
): Promise<Moment> {
  const sorted = [...new Set(names)].toSorted(compare)
  const releases = [leases.hold(sorted)]
  const release = (): void => releases.forEach((each) => each())
  // Whoever takes several takes them in this order, and all others take one.
  const leave: (() => void)[] = []
  try {
    for (const name of sorted) leave.push(await enter(changes, name))
    const repositories: MomentRepository[] = []
    const turn = { left: PER_TURN }
    for (const name of sorted) {
      const [tags, revisions] = [new Map<Tag, Digest>(), new Map<Digest, Digest>()]
      for (const { tag, target } of walkTags(layout, name, report)) {
        if (target !== undefined) tags.set(tag, target)
        await takeTurn(turn)
      }
      for (const { digest, target } of walkRevisions(layout, name, report)) {
        if (target !== undefined) revisions.set(digest, target)
        await takeTurn(turn)
      }
      releases.push(leases.hold([...revisions.keys(), ...revisions.values()]))
      repositories.push({ name, tags, revisions })
    }
    return { repositories, hold: (digests) => void releases.push(leases.hold(digests)), release }
  } catch (error) {
    release()
    throw error
  } finally {
    for (const each of leave) each()
  }
}

/** Waits for the turn of `name` and gives what ends it. */
function enter(changes: Store['changes'], name: RepositoryName): Promise<() => void> {
  return new Promise((resolve, reject) => {
    changes.run(name, () => new Promise<void>((leave) => resolve(leave))).catch(reject)
  })
}

async function takeTurn(turn: { left: number }): Promise<void> {
  turn.left -= 1
  if (turn.left > 0) return
  turn.left = PER_TURN
  await setImmediate()
}

// Takes an archive in the data directory's layout into this registry: read once, every blob hashed, and when all of it was
// looked at, blobs, then images, then tags. An archive with a flaw changes nothing.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Progress } from '../registry/collect.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { Incoming } from '../storage/incoming.ts'
import { storeSignature } from '../storage/signatures.ts'
import type { Store } from '../storage/store.ts'
import type { WantedRepository } from './claims.ts'
import type { LinkedRepository } from './link-images.ts'
import { inParallel, linkRepository } from './link-images.ts'
import type { ManifestFacts } from './manifest-facts.ts'
import { factsOf } from './manifest-facts.ts'
import type { HeldImage, Known, PlannedRepository } from './plan-images.ts'
import { planRepository } from './plan-images.ts'
import type { Archive, ArchiveSignature, BlobTaker } from './read-archive.ts'
import { hashBlobs, takeIntoStore } from './take-blobs.ts'

/** What was found in an archive, whichever kind it is. */
export type ArchiveContent = Pick<Archive, 'blobs' | 'manifests' | 'signatures'> & {
  readonly repositories: ReadonlyMap<RepositoryName, WantedRepository>
}

/** What the taking of an archive did, or would do. */
export interface Taken {
  readonly blobs: {
    readonly read: number
    readonly bytes: number
    readonly added: number
    readonly addedBytes: number
    readonly here: number
    /** Whose bytes are something else than their names say; they were left out. */
    readonly wrong: readonly Digest[]
  }
  readonly repositories: readonly (Omit<LinkedRepository, 'held'> & { readonly name: RepositoryName })[]
  /** Images that miss something. */
  readonly held: readonly HeldImage[]
  readonly signatures: { readonly read: number; readonly added: number }
}

export interface TakeOptions<Read extends ArchiveContent> {
  readonly dryRun: boolean
  /** Reads the archive and hands its blobs to the taker. */
  readonly read: (taker: BlobTaker) => Promise<Read>
  /** Called when all of it was read and nothing is wrong with it; what it adds to `incoming` counts as read. */
  readonly prepare?: (read: Read, incoming: Incoming) => Promise<void>
  /** Blobs that become such though no image needs them yet; without it none. */
  readonly adopts?: (read: Read) => Iterable<Digest>
  /** Called with what can be linked, before that is done; may leave tags out, or throw. */
  readonly judge?: (plans: readonly PlannedRepository[], read: Read) => Promise<readonly PlannedRepository[]>
  /** Called when all is done, while what was taken is still held. */
  readonly settle?: (taken: Taken, read: Read) => Promise<void>
  readonly emit: (progress: Progress) => void
}

/** Archives are taken one at a time: they share the place where their blobs wait. No repository has such a name. */
const TURN = '=incoming'
const REPOSITORIES_AT_A_TIME = 3
/** DESIGN §5: the archive has a flaw. */
const NOT_VERIFIED = 4

/**
 * Reads and takes an archive. Throws BadArchive (nothing was changed then), UNSUPPORTED when the registry is read-only,
 * UNAVAILABLE where there is no room, and what the disk says.
 */
export async function takeArchive<Read extends ArchiveContent>(
  context: Context,
  options: TakeOptions<Read>,
): Promise<{ readonly taken: Taken; readonly read: Read }> {
  if (options.dryRun) return tryArchive(context, options)
  requireWritable(context)
  return context.store.changes.run(TURN, async () => {
    requireWritable(context)
    const incoming = new Incoming(context.store)
    await incoming.begin()
    const taker = takeIntoStore(context, incoming)
    const known = new KnownHere(context.store)
    try {
      const read = await options.read(taker)
      await options.prepare?.(read, incoming)
      known.incoming = incoming
      const plans = await planAll(read, known, options)
      const taken = await publish(context, incoming, read, plans, options)
      await options.settle?.(taken, read)
      await incoming.drop()
      return { taken, read }
    } catch (error) {
      if (error instanceof Problem && error.exitCode === NOT_VERIFIED) await incoming.drop()
      // A break in the line or of the machine: what came is there for the next try.
      else await incoming.settle()
      throw error
    } finally {
      taker.release()
      known.release()
    }
  })
}

async function tryArchive<Read extends ArchiveContent>(
  { store }: Context,
  options: TakeOptions<Read>,
): Promise<{ readonly taken: Taken; readonly read: Read }> {
  const known = new KnownHere(store)
  try {
    const read = await options.read(hashBlobs((digest) => store.blobs.state(digest) !== undefined))
    const plans = await planAll(read, known, options)
    const repositories = plans.map((plan) => foresee(store, plan))
    const held = plans.flatMap((plan) => plan.held)
    const added = [...read.blobs].filter(([, { outcome }]) => outcome === 'new').map(([digest]) => digest)
    const signatures = { read: read.signatures.length, added: 0 }
    return { taken: { blobs: countBlobs(read, added), repositories, held, signatures }, read }
  } finally {
    known.release()
  }
}

async function planAll<Read extends ArchiveContent>(
  read: Read,
  known: KnownHere,
  { judge, emit }: TakeOptions<Read>,
): Promise<readonly PlannedRepository[]> {
  known.read = read
  const plans: PlannedRepository[] = []
  for (const [name, wanted] of read.repositories) {
    emit({ phase: 'plan', done: plans.length, total: read.repositories.size })
    plans.push(await planRepository(name, wanted, known))
  }
  return judge === undefined ? plans : judge(plans, read)
}

async function publish<Read extends ArchiveContent>(
  context: Context,
  incoming: Incoming,
  read: Read,
  plans: readonly PlannedRepository[],
  { adopts, emit }: TakeOptions<Read>,
): Promise<Taken> {
  const needed = new Set(adopts?.(read))
  for (const { layers, manifests } of plans) for (const digest of [...layers.values(), ...manifests]) needed.add(digest)
  const adopted = [...needed].filter((digest) => incoming.waiting.has(digest))
  let done = 0
  await inParallel(adopted, async (digest) => {
    requireWritable(context)
    await incoming.adopt(digest)
    emit({ phase: 'blobs', done: ++done, total: adopted.length })
  })
  done = 0
  const repositories: Taken['repositories'][number][] = []
  const held = plans.flatMap((plan) => plan.held)
  await inParallel(
    plans,
    async (plan) => {
      if (plan.manifests.length > 0 || plan.tags.size > 0) {
        const { held: late, ...linked } = await linkRepository(context, plan)
        repositories.push({ name: plan.name, ...linked })
        held.push(...late)
      }
      emit({ phase: 'images', done: ++done, total: plans.length })
    },
    REPOSITORIES_AT_A_TIME,
  )
  repositories.sort((a, b) => (a.name < b.name ? -1 : 1))
  const signatures = { read: read.signatures.length, added: await storeSignatures(context, read.signatures) }
  return { blobs: countBlobs(read, adopted), repositories, held, signatures }
}

async function storeSignatures({ store }: Context, signatures: readonly ArchiveSignature[]): Promise<number> {
  let added = 0
  for (const { digest, bytes } of signatures) {
    // As many as anybody reads may be here already.
    const stored = await storeSignature(store, digest, bytes).catch((error: unknown) => {
      if (error instanceof Error && 'hint' in error) return undefined
      throw error
    })
    if (stored?.added === true) added += 1
  }
  return added
}

function countBlobs({ blobs }: ArchiveContent, added: readonly Digest[]): Taken['blobs'] {
  const all = [...blobs]
  const sizeOf = (digest: Digest): number => blobs.get(digest)?.size ?? 0
  return {
    read: all.length,
    bytes: all.reduce((sum, [, { size }]) => sum + size, 0),
    added: added.length,
    addedBytes: added.reduce((sum, digest) => sum + sizeOf(digest), 0),
    here: all.filter(([, { outcome }]) => outcome === 'here').length,
    wrong: all.filter(([, { outcome }]) => outcome === 'wrong').map(([digest]) => digest),
  }
}

function foresee(store: Store, { name, manifests, tags }: PlannedRepository): Taken['repositories'][number] {
  const before = [...tags].map(([tag, to]) => ({ tag, from: store.tags.resolve(name, tag), to }))
  return {
    name,
    manifests: manifests.length,
    added: manifests.filter((digest) => store.manifests.resolve(name, digest) === undefined).length,
    tags: tags.size,
    set: before.filter(({ from, to }) => from !== to).map(({ tag }) => tag),
    moved: before.flatMap(({ tag, from, to }) => (from === undefined || from === to ? [] : [{ tag, from, to }])),
  }
}

/** What the plan asks of the archive and of the directory. What it relies on is kept until `release`. */
class KnownHere implements Known {
  read: ArchiveContent | undefined
  incoming: Incoming | undefined
  readonly #store: Store
  readonly #found = new Map<Digest, boolean>()
  readonly #releases: (() => void)[] = []

  constructor(store: Store) {
    this.#store = store
  }

  async isHere(digest: Digest): Promise<boolean> {
    const outcome = this.read?.blobs.get(digest)?.outcome
    if (outcome === 'new' || outcome === 'here' || this.incoming?.waiting.has(digest) === true) return true
    const known = this.#found.get(digest)
    if (known !== undefined) return known
    this.#releases.push(this.#store.leases.hold([digest]))
    // A file that cannot be read is none.
    const isHere = (await this.#store.blobs.ensureWhole(digest).catch(() => undefined)) !== undefined
    this.#found.set(digest, isHere)
    return isHere
  }

  async facts(digest: Digest): Promise<ManifestFacts | undefined> {
    const outcome = this.read?.blobs.get(digest)?.outcome
    if (outcome === 'new' || outcome === 'here') return this.read?.manifests.get(digest)
    const stored = await this.#store.manifests.load(digest)
    return stored && factsOf(stored.manifest)
  }

  hasManifest(repository: RepositoryName, digest: Digest): boolean {
    return this.#store.manifests.resolve(repository, digest) !== undefined
  }

  storedAs(repository: RepositoryName, digest: Digest): Digest | undefined {
    return this.#store.links.resolve(repository, digest)
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release()
  }
}

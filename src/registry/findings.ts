// What a check found, each thing once: looked at again when it is told, kept from being served when its bytes are wrong,
// and carried to its outcome.
import { confirm } from '../storage/check/confirm.ts'
import type { Fault } from '../storage/check/fault.ts'
import { isNote } from '../storage/check/fault.ts'
import type { Store } from '../storage/store.ts'
import type { Closures } from './closures.ts'

export type Outcome = 'found' | 'healed' | 'quarantined' | 'removed'

/** What people are told of a fault. */
export interface Finding {
  readonly kind: string
  /** Below the data directory. */
  readonly path: string
  readonly repository?: string
  readonly tag?: string
  readonly digest?: string
  readonly what: string
  readonly outcome: Outcome
  /** What it was healed from. */
  readonly by?: string
}

export interface FoundFault {
  /** As it was told last. */
  fault: Fault
  finding: Finding
  /** Those that were told to need it. */
  readonly repositories: Set<string>
}

export class Findings {
  readonly #store: Pick<Store, 'layout' | 'changes' | 'verdicts'>
  readonly #closures: Pick<Closures, 'drop'>
  readonly #onFinding: (finding: Finding) => void
  readonly #found = new Map<string, FoundFault>()

  constructor(
    store: Pick<Store, 'layout' | 'changes' | 'verdicts'>,
    closures: Pick<Closures, 'drop'>,
    onFinding: (finding: Finding) => void,
  ) {
    this.#store = store
    this.#closures = closures
    this.#onFinding = onFinding
  }

  /** Takes what a survey says, unless it is otherwise by now; gives what is to be healed. */
  async take(fault: Fault): Promise<FoundFault | undefined> {
    if (!(await confirm(this.#store, fault))) return undefined
    keepFromServing(this.#store, this.#closures, fault)
    const key = isNote(fault.kind) ? `${fault.kind} ${fault.path}` : fault.path
    let found = this.#found.get(key)
    if (found === undefined) {
      found = { fault, finding: describeFault(this.#store, fault), repositories: new Set() }
      this.#found.set(key, found)
      this.#onFinding(found.finding)
    }
    found.fault = fault
    // What was healed a moment ago and is wrong again was not healed.
    if (found.finding.outcome === 'healed') this.settle(found, 'found')
    if (fault.repository !== undefined) found.repositories.add(fault.repository)
    return found
  }

  /** Notes what became of it. */
  settle(found: FoundFault, outcome: Outcome, by?: string): void {
    found.finding = { ...found.finding, outcome, ...(by !== undefined && { by }) }
    this.#onFinding(found.finding)
  }

  /** Notes why nothing came of it; further reasons are left out. */
  explain(found: FoundFault, why: string): void {
    if (!found.finding.what.includes('; ')) found.finding = { ...found.finding, what: `${found.finding.what}; ${why}` }
  }

  list(): Finding[] {
    return [...this.#found.values()].map(({ finding }) => finding)
  }

  /** How many things are still wrong. */
  get unrepaired(): number {
    return this.list().filter(
      ({ kind, outcome }) => !isNote(kind as Fault['kind']) && (outcome === 'found' || outcome === 'quarantined'),
    ).length
  }
}

/** Makes the server refuse wrong bytes from now on. */
export function keepFromServing(
  { verdicts }: Pick<Store, 'verdicts'>,
  closures: Pick<Closures, 'drop'>,
  { kind, path, digest, facts, settled, corrupt, aliases = [], repository }: Fault,
): void {
  const isWrong = kind === 'blob-wrong' || (kind === 'blob-unreadable' && corrupt === true)
  if (isWrong && digest !== undefined && facts !== undefined) {
    for (const name of [digest, ...aliases]) {
      if (settled === true) verdicts.markSuspect(name, path, facts)
      else verdicts.forget(name)
    }
  }
  if (repository !== undefined && (isWrong || kind === 'blob-missing')) closures.drop(repository)
}

export function describeFault(
  { layout }: Pick<Store, 'layout'>,
  { kind, path, repository, tag, digest, what }: Fault,
): Finding {
  const inside = path.startsWith(`${layout.root}/`)
  return {
    kind,
    path: inside ? path.slice(layout.root.length + 1) : path,
    ...(repository !== undefined && { repository }),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    what,
    outcome: 'found',
  }
}

// What the server has promised, kept by its clients: for each name the last acknowledged state, and the states
// that requests without an answer may or may not have brought about. After a crash a name must show one of
// these, and whatever it shows must be whole.
import { createHash } from 'node:crypto'
import type { Client, Reply } from './client.ts'
import { describeReply } from './client.ts'
import { getBlob, getManifest } from './push.ts'

export type Kind = 'blob' | 'manifest' | 'tag'

/** `blob team/app sha256:…`, `tag team/app latest`. */
export type Name = `${Kind} ${string} ${string}`

/** The digest that a name shows (for blobs and manifests its own), or `absent`. */
export type State = string

interface Entry {
  acked: State
  readonly pending: Set<State>
}

export interface Change {
  readonly name: Name
  readonly state: State
}

export class Ledger {
  readonly #entries = new Map<Name, Entry>()
  readonly #waiting = new Map<number, () => void>()
  #acks = 0
  /** Answers that were neither an acknowledgement nor lost. */
  readonly faults: string[] = []
  /** The power is going: an answer of 5xx is no fault now, it acknowledges nothing. */
  isDying = false

  /**
   * Runs one request that is to bring about `changes`. An answer of `status` acknowledges them; no answer leaves
   * them open; any other answer is a fault. True when acknowledged.
   */
  async attempt(changes: readonly Change[], status: number, act: () => Promise<Reply>): Promise<boolean> {
    for (const { name, state } of changes) this.#entry(name).pending.add(state)
    const reply = await act()
    if (reply.status === status && reply.clean) {
      for (const { name, state } of changes) this.#settle(name, state)
      this.#count(changes.length)
      return true
    }
    if (reply.status !== 0 && reply.clean && !(this.isDying && reply.status >= 500)) {
      this.faults.push(`${changes.map(({ name }) => name).join(', ')}: ${describeReply(reply)}`)
    }
    return false
  }

  /** Acknowledged changes so far. */
  get acks(): number {
    return this.#acks
  }

  /** Resolves when so many changes have been acknowledged, at once with the answer to the last of them. */
  reach(acks: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (acks <= this.#acks) resolve()
    else this.#waiting.set(acks, resolve)
    return promise
  }

  /** The names of `kind` in `repository` whose last acknowledged state is there, without their first two words. */
  present(kind: Kind, repository: string): string[] {
    const front = `${kind} ${repository} `
    return [...this.#entries]
      .filter(([name, entry]) => name.startsWith(front) && entry.acked !== 'absent')
      .map(([name]) => name.slice(front.length))
  }

  /** What a name shows by the last acknowledgement. */
  stateOf(name: Name): State {
    return this.#entries.get(name)?.acked ?? 'absent'
  }

  names(): Name[] {
    return [...this.#entries.keys()]
  }

  /**
   * Reads `names` back and compares. Gives one sentence for each broken promise; what is seen counts as
   * acknowledged from then on, since what a restarted server shows must stay.
   */
  async check(client: Client, names: readonly Name[]): Promise<string[]> {
    const problems: string[] = []
    const queue = names.values()
    const work = async (): Promise<void> => {
      for (const name of queue) {
        const entry = this.#entry(name)
        const seen = await observe(client, name)
        if (seen.problem !== undefined) problems.push(`${name}: ${seen.problem}`)
        else if (seen.state !== entry.acked && !entry.pending.has(seen.state)) {
          problems.push(
            `${name}: is ${seen.state}, acknowledged ${entry.acked}, open ${[...entry.pending].join(' or ')}`,
          )
        }
        this.#settle(name, seen.state)
      }
    }
    await Promise.all(Array.from({ length: 8 }, work))
    return problems
  }

  #count(changes: number): void {
    this.#acks += changes
    for (const [acks, resolve] of this.#waiting) {
      if (acks > this.#acks) continue
      this.#waiting.delete(acks)
      resolve()
    }
  }

  #entry(name: Name): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = { acked: 'absent', pending: new Set() }
      this.#entries.set(name, entry)
    }
    return entry
  }

  #settle(name: Name, state: State): void {
    const entry = this.#entry(name)
    entry.acked = state
    entry.pending.clear()
  }
}

async function observe(client: Client, name: Name): Promise<{ state: State; problem?: string }> {
  const [kind = '', repository = '', reference = ''] = name.split(' ')
  const reply = await (kind === 'blob' ? getBlob : getManifest)(client, repository, reference)
  if (reply.status === 404) return { state: 'absent' }
  if (reply.status !== 200 || !reply.clean) {
    return { state: 'absent', problem: `answered ${describeReply(reply)}` }
  }
  const digest = kind === 'tag' ? (reply.headers['docker-content-digest'] ?? '') : reference
  if (hashAs(digest, reply) !== digest) return { state: digest, problem: `served bytes that are not ${digest}` }
  return { state: digest }
}

/** The digest of a reply's body in the algorithm of `digest`. */
export function hashAs(digest: string, reply: Reply): string {
  if (!digest.startsWith('sha512:')) return `sha256:${reply.sha256}`
  return `sha512:${createHash('sha512').update(reply.body).digest('hex')}`
}

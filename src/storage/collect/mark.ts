// What one repository needs, and what of it may go. It decides over what read-repository.ts found and touches nothing.
// In doubt it keeps: a repository in which something cannot be read keeps all that any link or path in it names.
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Layout } from '../layout.ts'
import type { FoundLink, FoundRepository } from '../read-repository.ts'
import type { ManifestFile } from '../read-manifest-file.ts'

export interface MarkRules {
  /** Whether a link with this ctime is too young to go. */
  readonly isYoung: (changedAt: number) => boolean
  /** Whether a revision with this ctime stays though nothing leads to it. */
  readonly staysUntagged: (changedAt: number) => boolean
  /** Whether a client was promised the manifest. */
  readonly isPromised: (digest: Digest) => boolean
  /** Manifests of this repository that a pin names. */
  readonly pinned: ReadonlySet<Digest>
  /** The manifest `digest` out of the file of `stored`. */
  readonly read: (digest: Digest, stored: Digest) => ManifestFile
}

export interface Fault {
  readonly path: string
  readonly what: string
}

export interface Judgement {
  /** Why the repository is left as it is; empty when it is not. */
  readonly faults: readonly Fault[]
  /** What is odd and stops nothing. */
  readonly notes: readonly Fault[]
  /** What goes: revision links (with the subject of the manifest), `_layers` links, links in histories of tags. */
  readonly manifests: readonly (FoundLink & { readonly subject: Digest | undefined })[]
  readonly links: readonly FoundLink[]
  readonly history: readonly (readonly [Tag, FoundLink])[]
  /** Blobs that the repository needs when that is gone. */
  readonly marks: ReadonlySet<Digest>
  /** Blobs that nothing needs and that stay because a link to them is young, with its ctime. */
  readonly waiting: ReadonlyMap<Digest, number>
  /** Blobs that it could need as it is now. */
  readonly holds: () => ReadonlySet<Digest>
}

interface Named {
  readonly children: readonly Digest[]
  readonly blobs: readonly Digest[]
  readonly subject: Digest | undefined
}

/** Judges the repository. Takes time with the number of its manifests, which are all read and hashed. */
export function judgeRepository(layout: Layout, found: FoundRepository, rules: MarkRules): Judgement {
  return new Judge(layout, found, rules).judge()
}

class Judge {
  readonly #layout: Layout
  readonly #found: FoundRepository
  readonly #rules: MarkRules
  readonly #layers: ReadonlyMap<Digest, FoundLink>
  readonly #revisions: ReadonlyMap<Digest, FoundLink>
  /** What each manifest that could be read names. */
  readonly #named = new Map<Digest, Named>()
  readonly #faults: Fault[] = []
  readonly #notes: Fault[] = []

  constructor(layout: Layout, found: FoundRepository, rules: MarkRules) {
    this.#layout = layout
    this.#found = found
    this.#rules = rules
    this.#layers = new Map(found.layers.map((link) => [link.digest, link]))
    this.#revisions = new Map(found.revisions.map((link) => [link.digest, link]))
  }

  judge(): Judgement {
    this.#readLinks()
    this.#readManifests()
    const common = { faults: this.#faults, notes: this.#notes, holds: () => this.#holdAll() }
    // An error of the system was told by the walk already.
    if (this.#faults.length > 0 || this.#found.unreadable) {
      return { ...common, manifests: [], links: [], history: [], marks: this.#holdAll(), waiting: new Map() }
    }
    const kept = this.#keep()
    const marks = new Set<Digest>()
    // Names of `_layers` links that kept manifests need.
    const needed = new Set<Digest>()
    for (const digest of [...kept, ...this.#rules.pinned]) {
      if (!this.#revisions.has(digest)) needed.add(digest)
      this.#mark(marks, digest)
      const { children = [], blobs = [] } = this.#named.get(digest) ?? {}
      for (const name of [...children, ...blobs]) {
        needed.add(name)
        this.#mark(marks, name)
      }
    }
    // A second name of bytes that are needed costs nothing.
    const isAlias = ({ target }: FoundLink): boolean => target !== undefined && marks.has(target)
    const goes = (link: FoundLink): boolean =>
      !needed.has(link.digest) && !this.#rules.isYoung(link.changedAt) && !isAlias(link)
    const links = this.#found.layers.filter(goes)
    const gone = new Set(links)
    const waiting = new Map<Digest, number>()
    for (const link of this.#found.layers) {
      if (gone.has(link)) continue
      const led = new Set<Digest>()
      this.#mark(led, link.digest)
      const isNeeded = needed.has(link.digest) || isAlias(link)
      for (const digest of led) {
        if (isNeeded) marks.add(digest)
        else waiting.set(digest, Math.max(link.changedAt, waiting.get(digest) ?? 0))
      }
    }
    return { ...common, marks, waiting, links, manifests: this.#order(kept), history: this.#historyToGo(kept) }
  }

  #readLinks(): void {
    const { name, layers, revisions, tags, unknown } = this.#found
    for (const { path } of unknown) this.#faults.push({ path, what: 'links by an algorithm that Tarn does not know' })
    for (const { digest, target } of layers) {
      const path = this.#layout.layerLink(name, digest)
      if (target === undefined) {
        // Under a sha256 every program writes that very digest; under another stands what nobody can guess.
        const isSure = algorithmOf(digest) === 'sha256'
        const list = isSure ? this.#notes : this.#faults
        list.push({ path, what: 'the link is torn' })
      } else if (isSwapped(digest, target)) {
        this.#notes.push({ path, what: `the link leads to ${target}` })
      }
    }
    for (const { digest, target } of revisions) {
      if (target === undefined) this.#faults.push(tear(this.#layout.revisionLink(name, digest)))
    }
    for (const { tag, torn, history } of tags) {
      if (torn) this.#faults.push(tear(this.#layout.tagLink(name, tag)))
      for (const { digest, target } of history) {
        if (target === undefined) this.#notes.push(tear(this.#layout.tagIndexLink(name, tag, digest)))
      }
    }
  }

  #readManifests(): void {
    const { name, revisions, tags } = this.#found
    for (const { digest, target = digest } of revisions) {
      const state = this.#readManifest(digest, target)
      if (state === 'missing') {
        this.#faults.push({ path: this.#layout.blobData(target), what: `manifest of ${name} is missing` })
      }
    }
    for (const { tag, target } of tags) {
      if (target === undefined || this.#revisions.has(target)) continue
      // registry:2 leaves this when a manifest that it proxied expires: nobody can pull it, nothing can be lost.
      const state = this.#readManifest(target, this.#layers.get(target)?.target ?? target)
      if (state === 'broken') continue
      const what = state === 'missing' ? 'a manifest that is not here' : 'a manifest that the repository does not hold'
      this.#notes.push({ path: this.#layout.tagLink(name, tag), what: `the tag leads to ${what}` })
    }
    for (const digest of this.#rules.pinned) {
      if (!this.#revisions.has(digest)) this.#readManifest(digest, digest)
    }
  }

  #readManifest(digest: Digest, stored: Digest): ManifestFile['state'] {
    if (this.#named.has(digest)) return 'read'
    const file = this.#rules.read(digest, stored)
    if (file.state === 'read') {
      const { config, layers, manifests, subject, doubtful } = file.manifest
      if (doubtful) {
        const what = `manifest of ${this.#found.name} names something by an algorithm that Tarn does not know`
        this.#faults.push({ path: this.#layout.blobData(stored), what })
      }
      const blobs = [...(config ? [config] : []), ...layers].map((blob) => blob.digest)
      this.#named.set(digest, { blobs, children: manifests.map((child) => child.digest), subject: subject?.digest })
    } else if (file.state === 'broken') {
      const what = `manifest of ${this.#found.name} cannot be read: ${file.why}`
      this.#faults.push({ path: this.#layout.blobData(stored), what })
    }
    return file.state
  }

  /** What tags, pins, promises, youth or the lack of a policy keep, with children that the repository holds and referrers. */
  #keep(): Set<Digest> {
    const { revisions, tags } = this.#found
    const { pinned, isPromised, isYoung, staysUntagged } = this.#rules
    const roots: Digest[] = [...pinned]
    for (const { target } of tags) if (target !== undefined) roots.push(target)
    for (const { digest, changedAt } of revisions) {
      if (staysUntagged(changedAt) || isYoung(changedAt) || isPromised(digest)) roots.push(digest)
    }
    const referrers = new Map<Digest, Digest[]>()
    for (const { digest } of revisions) {
      const subject = this.#named.get(digest)?.subject
      if (subject === undefined) continue
      // It may be pushed again.
      if (isPromised(subject)) roots.push(digest)
      const list = referrers.get(subject)
      if (list === undefined) referrers.set(subject, [digest])
      else list.push(digest)
    }
    const kept = new Set<Digest>()
    for (let digest = roots.pop(); digest !== undefined; digest = roots.pop()) {
      if (kept.has(digest)) continue
      kept.add(digest)
      const children = this.#named.get(digest)?.children ?? []
      roots.push(...children.filter((child) => this.#revisions.has(child)), ...(referrers.get(digest) ?? []))
    }
    return kept
  }

  // A crash in the middle must not leave an index without the children that it had, or a subject without signatures.
  #order(kept: ReadonlySet<Digest>): Judgement['manifests'] {
    const ordered = new Set<Digest>()
    const isNeededBy = new Map<Digest, Digest[]>()
    const going = this.#found.revisions.map(({ digest }) => digest).filter((digest) => !kept.has(digest))
    for (const digest of going) {
      const { children = [], subject } = this.#named.get(digest) ?? {}
      for (const below of subject === undefined ? children : [...children, subject]) {
        const list = isNeededBy.get(below)
        if (list === undefined) isNeededBy.set(below, [digest])
        else list.push(digest)
      }
    }
    const seen = new Set<Digest>()
    for (const start of going) {
      const path = [start]
      for (let digest = path.at(-1); digest !== undefined; digest = path.at(-1)) {
        const above = seen.has(digest) ? [] : (isNeededBy.get(digest) ?? []).filter((each) => !seen.has(each))
        seen.add(digest)
        if (above.length > 0) path.push(...above)
        else ordered.add(path.pop() ?? digest)
      }
    }
    return [...ordered].flatMap((digest) => {
      const link = this.#revisions.get(digest)
      return link === undefined ? [] : [{ ...link, subject: this.#named.get(digest)?.subject }]
    })
  }

  #historyToGo(kept: ReadonlySet<Digest>): [Tag, FoundLink][] {
    return this.#found.tags.flatMap(({ tag, history }) =>
      history
        .filter(({ digest, changedAt }) => !kept.has(digest) && !this.#rules.isYoung(changedAt))
        .map((link): [Tag, FoundLink] => [tag, link]),
    )
  }

  #holdAll(): Set<Digest> {
    const held = new Set<Digest>(this.#rules.pinned)
    const hold = (digest: Digest | undefined): void => {
      if (digest === undefined) return
      held.add(digest)
      this.#mark(held, digest)
    }
    const { layers, revisions, tags, unknown } = this.#found
    for (const { digest } of [...layers, ...revisions]) hold(digest)
    for (const { targets } of unknown) for (const target of targets) hold(target)
    for (const { target, history } of tags) {
      hold(target)
      for (const link of history) {
        hold(link.digest)
        hold(link.target)
      }
    }
    for (const { children, blobs } of this.#named.values()) for (const name of [...children, ...blobs]) hold(name)
    return held
  }

  // The content of a link is the authority over its path (sha512 aliases); one that leads to another digest of the same
  // kind cannot be right, so both are kept until somebody has mended it.
  #mark(marks: Set<Digest>, digest: Digest): void {
    const targets = [this.#layers.get(digest), this.#revisions.get(digest)].flatMap((link) =>
      link === undefined ? [] : [link.target ?? digest],
    )
    if (targets.length === 0) marks.add(digest)
    for (const target of targets) {
      marks.add(target)
      if (isSwapped(digest, target)) marks.add(digest)
    }
  }
}

function isSwapped(digest: Digest, target: Digest): boolean {
  return digest !== target && algorithmOf(digest) === algorithmOf(target)
}

function tear(path: string): Fault {
  return { path, what: 'the link is torn' }
}

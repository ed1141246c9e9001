// What a power cut could take away, followed through a trace: for each file how many of its changes no
// fsync has covered, for each directory how many of its names. It knows of no registry and no request;
// it judges by system calls alone.
import { readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { SystemCall } from './trace.ts'
import { decorationOf, succeeded, unquote } from './trace.ts'

/** One file's bytes or one directory's names. */
export interface Target {
  readonly kind: 'file' | 'directory'
  /** Changes so far; a call that was seen to begin and to end counts at both moments. */
  changes: number
  /** How many of them an fsync covers that has returned. */
  synced: number
  /** fsyncs that returned in this trace. */
  fsyncs: number
  /** What changed it last, for people. */
  last: string
}

export interface Loss {
  readonly path: string
  readonly why: string
}

// Writers by the place of the descriptor among their arguments.
const WRITES: Readonly<Record<string, number>> = {
  write: 0,
  pwrite64: 0,
  writev: 0,
  pwritev: 0,
  pwritev2: 0,
  ftruncate: 0,
  fallocate: 0,
  sendfile: 0,
  copy_file_range: 2,
  splice: 2,
}

export class FileModel {
  readonly #root: string
  readonly #isExempt: (path: string) => boolean
  readonly #files = new Map<string, Target>()
  readonly #directories = new Map<string, Target>()
  // What each fsync under way found when it began, by thread: only that much is safe when it returns.
  readonly #syncing = new Map<string, { target: Target; upTo: number }[]>()
  readonly #losses: Loss[] = []

  /**
   * Follows what lies below `root` (a real path), which is on disk now, before the traced program starts.
   * `isExempt` says of which paths nothing is promised.
   */
  constructor(root: string, isExempt: (path: string) => boolean) {
    this.#root = root
    this.#isExempt = isExempt
    this.#directories.set(root, newTarget('directory'))
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isDirectory()) this.#directories.set(path, newTarget('directory'))
      else this.#files.set(path, newTarget('file'))
    }
  }

  /** Takes the next call of the trace. */
  take(call: SystemCall): void {
    if (call.name === 'fsync' || call.name === 'fdatasync') return this.#sync(call)
    const writer = WRITES[call.name]
    if (writer !== undefined) return this.#write(call, decorationOf(call.args[writer]))
    // All others change names: what they did is known when they have succeeded.
    if (!succeeded(call)) return
    const [a = '', b = '', c = '', d = ''] = call.args
    if (call.name === 'openat') this.#open(call, c)
    else if (call.name === 'open') this.#open(call, b)
    else if (call.name === 'creat') this.#open(call, 'O_CREAT|O_TRUNC')
    else if (call.name === 'truncate') this.#write(call, this.#at('', a))
    else if (call.name === 'mkdir') this.#makeDirectory(call, this.#at('', a))
    else if (call.name === 'mkdirat') this.#makeDirectory(call, this.#at(a, b))
    else if (call.name === 'unlink' || call.name === 'rmdir') this.#remove(call, this.#at('', a))
    else if (call.name === 'unlinkat') this.#remove(call, this.#at(a, b))
    else if (call.name === 'rename') this.#rename(call, this.#at('', a), this.#at('', b))
    else if (call.name === 'renameat' || call.name === 'renameat2') this.#rename(call, this.#at(a, b), this.#at(c, d))
    else if (call.name === 'link' || call.name === 'symlink') this.#name(call, this.#at('', b))
    else if (call.name === 'linkat') this.#name(call, this.#at(c, d))
    else if (call.name === 'symlinkat') this.#name(call, this.#at(b, c))
  }

  /** What a power cut now could take, since this was last asked; nothing is told twice. */
  takeLosses(): Loss[] {
    const losses = this.#losses.splice(0)
    for (const [path, target] of [...this.#files, ...this.#directories]) {
      if (target.changes === target.synced || this.#isExempt(path)) continue
      losses.push({ path, why: `${target.kind} not fsynced after ${target.last}` })
      target.synced = target.changes
    }
    return losses
  }

  /**
   * Why the file at `path` might not survive: it or a directory above it, up to the root, has never been
   * fsynced in this trace. For bytes that another program wrote, of which nobody knows whether it did.
   */
  findNeverSynced(path: string): Loss[] {
    const losses: Loss[] = []
    if ((this.#files.get(path)?.fsyncs ?? 0) === 0) losses.push({ path, why: 'file never fsynced' })
    for (let above = dirname(path); above.startsWith(this.#root); above = dirname(above)) {
      if ((this.#directories.get(above)?.fsyncs ?? 0) === 0)
        losses.push({ path: above, why: 'directory never fsynced' })
    }
    return losses
  }

  /** Whether the trace left a file at `path`. */
  has(path: string): boolean {
    return this.#files.has(path)
  }

  #at(descriptor: string, quoted: string): string | undefined {
    return this.#inside(resolve(decorationOf(descriptor) ?? '/', unquote(quoted)))
  }

  #inside(path: string | undefined): string | undefined {
    const real = path?.replace(/ \(deleted\)$/, '')
    return real !== undefined && (real === this.#root || real.startsWith(`${this.#root}/`)) ? real : undefined
  }

  #write(call: SystemCall, decorated: string | undefined): void {
    const path = this.#inside(decorated)
    const target = path === undefined ? undefined : this.#files.get(path)
    if (path === undefined || target === undefined) return
    change(target, call)
    // What others read is renamed into its place, so that no reader and no crash sees it half written.
    if (/\/(?:link|data)$/.test(path) && !this.#isExempt(path)) this.#lose(path, `${say(call)} under its final name`)
  }

  #open(call: SystemCall, flags: string): void {
    const path = this.#inside(decorationOf(call.result))
    if (path === undefined) return
    if (flags.includes('O_CREAT') && !this.#files.has(path)) this.#name(call, path)
    else if (flags.includes('O_TRUNC')) this.#write(call, path)
  }

  #name(call: SystemCall, path: string | undefined): void {
    if (path === undefined) return
    const target = newTarget('file')
    this.#files.set(path, target)
    change(target, call)
    this.#changeNames(call, path)
  }

  #makeDirectory(call: SystemCall, path: string | undefined): void {
    if (path === undefined || this.#directories.has(path)) return
    this.#directories.set(path, newTarget('directory'))
    this.#changeNames(call, path)
  }

  #remove(call: SystemCall, path: string | undefined): void {
    if (path === undefined) return
    this.#files.delete(path)
    this.#directories.delete(path)
    this.#changeNames(call, path)
  }

  #rename(call: SystemCall, from: string | undefined, to: string | undefined): void {
    if (from !== undefined && to !== undefined) {
      const file = this.#files.get(from)
      // Also for a file that was exempt where it was written (an upload's data): it becomes visible now, with
      // the bytes that are on disk, so they must all be there.
      if (file !== undefined && file.changes !== file.synced && !this.#isExempt(to)) {
        this.#lose(to, `${say(call)} before an fsync after ${file.last}`)
        file.synced = file.changes
      }
      if (file !== undefined) this.#files.set(to, file)
      const moved = [...this.#directories].filter(([path]) => path === from || path.startsWith(`${from}/`))
      for (const [path, directory] of moved) {
        this.#directories.delete(path)
        this.#directories.set(to + path.slice(from.length), directory)
      }
    }
    if (from !== undefined) {
      this.#files.delete(from)
      this.#changeNames(call, from)
    }
    if (to !== undefined) this.#changeNames(call, to)
  }

  #changeNames(call: SystemCall, path: string): void {
    if (this.#isExempt(path)) return
    const directory = this.#directories.get(dirname(path))
    if (directory !== undefined) change(directory, call)
  }

  #sync(call: SystemCall): void {
    if (call.phase !== 'exit') {
      const path = this.#inside(decorationOf(call.args[0]))
      const target = path === undefined ? undefined : (this.#files.get(path) ?? this.#directories.get(path))
      this.#syncing.set(call.pid, target === undefined ? [] : [{ target, upTo: target.changes }])
    }
    if (!succeeded(call)) return
    for (const { target, upTo } of this.#syncing.get(call.pid) ?? []) {
      target.synced = Math.max(target.synced, upTo)
      target.fsyncs++
    }
    this.#syncing.delete(call.pid)
  }

  #lose(path: string, why: string): void {
    this.#losses.push({ path, why })
  }
}

function newTarget(kind: Target['kind']): Target {
  return { kind, changes: 0, synced: 0, fsyncs: 0, last: 'nothing' }
}

function change(target: Target, call: SystemCall): void {
  target.changes++
  target.last = say(call)
}

function say(call: SystemCall): string {
  const path = call.args.map((argument) => unquote(argument)).findLast((text) => text.startsWith('/'))
  return `${call.name}${path === undefined ? '' : ` of ${path}`} (line ${call.line})`
}

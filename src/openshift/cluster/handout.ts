// What a `tarn cluster` command hands out: files for a cluster or a node, and the commands that apply them there. Pure.

export interface HandoutFile {
  /** Below the directory of --out; no `..`, no slash in front. */
  readonly path: string
  readonly text: string
  /** Whether it holds a login: then only its owner may read it, and it is shown only where it was asked for. */
  readonly secret?: boolean
  /** Where a node wants it, as an absolute path. */
  readonly place?: string
  /** Whether a file that stands at its place may be another's: then it is not replaced unseen. */
  readonly shared?: boolean
  /** The text that it was made from, where it is laid over one that the node has. */
  readonly over?: string | undefined
}

export interface Handout {
  readonly files: readonly HandoutFile[]
  /** For a shell, in order, as they are typed in the directory of the files. */
  readonly commands: readonly string[]
  /** What a person should know. */
  readonly notes: readonly string[]
}

/** One word of a shell's command line. */
export function quoteWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

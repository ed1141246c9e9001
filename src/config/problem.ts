// What a person must put right: a sentence and one hint. Its text is printed, so it must never hold a secret.

/** An error that the command line prints as `error: message` and `hint: hint`, with `exitCode` (1 unless given). */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly hint: string | undefined
  readonly exitCode: number

  constructor(message: string, options: { hint?: string; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint
    this.exitCode = options.exitCode ?? 1
  }
}

/**
 * The problem of a file that cannot be read: names the uid of this process, the path, and the exact command
 * that gives the file to that uid. `what` is the file's part, such as "TLS key".
 */
export function describeUnreadable(what: string, path: string, cause: unknown): Problem {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
  if (code !== 'EACCES' && code !== 'EPERM') {
    return new Problem(`cannot read the ${what} ${path}: ${code}`, {
      hint: code === 'ENOENT' ? 'check the path in the configuration' : 'check the file and the directories above it',
      cause,
    })
  }
  const uid = process.getuid?.() ?? 0
  return new Problem(`cannot read the ${what} ${path} as uid ${uid}: ${code}`, {
    hint: `run: chown ${uid} ${path}   (in a container: add :U to the volume, and check that uid ${uid} may enter the directories above it)`,
    cause,
  })
}

/** The problem of a data directory that this process may not write, with the cure. */
export function describeUnwritable(path: string): Problem {
  const uid = process.getuid?.() ?? 0
  return new Problem(`cannot write the data directory ${path} as uid ${uid}`, {
    hint: `run: chown -R ${uid} ${path}   (in a container: add :U to the volume, as in -v DIR:/var/lib/registry:U)`,
  })
}

// An archive that cannot be taken as it is: a sentence that says why, for a person. Exit code 4, since what was given does
// not verify; nothing of it was taken.
import { Problem } from '../config/problem.ts'
import { quoteText } from '../oci/json.ts'

export const MAKE_IT_ANEW = 'nothing was changed; copy the file again, or have it made again'

export class BadArchive extends Problem {
  constructor(message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, { exitCode: 4, hint: options.hint ?? MAKE_IT_ANEW, cause: options.cause })
  }
}

/** Ends before its end: the rest did not come along. */
export class CutShort extends BadArchive {
  constructor(message: string, cause?: unknown) {
    super(message, {
      cause,
      hint: 'nothing was changed; the file was not copied whole: compare its size, copy it again',
    })
  }
}

/** Where in the archive something is wrong: `entry 3, "data/docker/…"`. */
export function describeEntry(number: number, name: string): string {
  return `entry ${number}, ${quoteText(name)}`
}

// How a report calls an image that was copied, and what it says of one that was not.
import type { RepositoryName } from '../oci/name.ts'
import type { ImageToCopy } from './copied-image.ts'

/** `repository:tag` or `repository@digest`. */
export function nameOf({ repository = '' as RepositoryName, reference }: ImageToCopy['from']): string {
  return reference.kind === 'tag' ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`
}

/** A sentence, and a hint where there is one. */
export function explain(error: unknown): { readonly why: string; readonly hint?: string } {
  const { message, hint } = error as { message?: unknown; hint?: unknown }
  return {
    why: typeof message === 'string' ? message : String(error),
    ...(typeof hint === 'string' && { hint }),
  }
}

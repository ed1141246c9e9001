// What every use case is handed: the store, the rules of the configuration, and what is remembered between
// requests for speed. Nothing here knows of HTTP.
import type { Descriptor } from '../oci/descriptor.ts'
import { registryError } from '../oci/errors.ts'
import type { Store } from '../storage/store.ts'
import type { Closures } from './closures.ts'

export interface Rules {
  /** `storage.delete.enabled` */
  readonly deleteEnabled: boolean
  /** Why nothing may be written now, as a sentence; undefined when writing is allowed. */
  readonly readOnly: () => string | undefined
  /**
   * Whether a manifest must be whole to be taken and served (I5). Only distribution's `validation.disabled`
   * gives that up.
   */
  readonly requiresWhole: boolean
  /** `validation.manifests.urls`: whether a layer may name this url; undefined when nothing is configured. */
  readonly allowsUrl: ((url: string) => boolean) | undefined
  /** `validation.manifests.indexes`: whether this child of an index must be here; by default none must. */
  readonly requiresChild: (child: Descriptor) => boolean
}

export interface Context {
  readonly store: Store
  readonly rules: Rules
  readonly closures: Closures
}

/** Throws UNSUPPORTED when the registry is read-only. Every use case that writes begins with it (R6). */
export function requireWritable({ rules }: Context): void {
  const reason = rules.readOnly()
  if (reason !== undefined) throw registryError('UNSUPPORTED', { message: reason })
}

/** Throws UNSUPPORTED when the registry is read-only or deletion is switched off; for tags as for digests. */
export function requireDeletable(context: Context): void {
  requireWritable(context)
  if (!context.rules.deleteEnabled) {
    throw registryError('UNSUPPORTED', { message: 'deletion is disabled: set storage.delete.enabled to allow it' })
  }
}

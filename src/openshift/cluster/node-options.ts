// What is known when the files of a node are made. Pure.
import type { MirrorPair } from './mirror-pairs.ts'
import type { Login } from './pull-secret.ts'
import { mergePullSecrets } from './pull-secret.ts'
import type { RegistryName } from './registry-name.ts'

export interface NodeOptions {
  readonly registry: RegistryName
  /** Certificates in PEM; absent for a registry that the node trusts anyway. */
  readonly trust?: string | undefined
  readonly login?: Login | undefined
  readonly pairs: readonly MirrorPair[]
  /** Nodes never ask the source itself. */
  readonly neverSource: boolean
  /** Whether names without a registry's path are Docker Hub's here, as dockerd asks for them. */
  readonly isHub: boolean
  /** docker's daemon.json, or the registries.yaml of k3s, as they are on the node now. */
  readonly daemonJson?: string | undefined
  readonly registriesYaml?: string | undefined
}

/** An auth.json with the login of this registry alone; undefined without one. */
export function authFileOf({ registry, login }: NodeOptions): string | undefined {
  if (login === undefined) return undefined
  return `${mergePullSecrets([], { registry, login }).text}\n`
}

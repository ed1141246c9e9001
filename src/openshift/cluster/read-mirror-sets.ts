// Mirror sets as a cluster has them, read back into pairs. Pure.
import type { MirrorPair } from './mirror-pairs.ts'
import { isReleaseSource } from './mirror-pairs.ts'
import type { KubeObject } from './objects.ts'
import { isObject } from './objects.ts'
import type { RegistryName } from './registry-name.ts'

export interface MirrorSets {
  /** For pulls by digest. */
  readonly digest: readonly MirrorPair[]
  /** For pulls by tag. */
  readonly tag: readonly MirrorPair[]
}

const LISTS: Readonly<Record<string, readonly [key: string, by: keyof MirrorSets]>> = {
  ImageContentSourcePolicy: ['repositoryDigestMirrors', 'digest'],
  ImageDigestMirrorSet: ['imageDigestMirrors', 'digest'],
  ImageTagMirrorSet: ['imageTagMirrors', 'tag'],
}

/** What the objects say of this registry; other kinds, and mirrors elsewhere, are passed over. */
export function readMirrorSets(objects: readonly KubeObject[], registry: RegistryName): MirrorSets {
  const sets = { digest: [] as MirrorPair[], tag: [] as MirrorPair[] }
  for (const { kind, spec } of objects) {
    const [key, by] = LISTS[String(kind)] ?? []
    const entries = key !== undefined && isObject(spec) ? spec[key] : undefined
    for (const entry of Array.isArray(entries) ? (entries as unknown[]) : []) {
      if (by === undefined || !isObject(entry) || typeof entry['source'] !== 'string') continue
      const { source, mirrors } = entry
      for (const mirror of Array.isArray(mirrors) ? (mirrors as unknown[]) : []) {
        if (typeof mirror !== 'string' || (mirror !== registry.name && !mirror.startsWith(`${registry.name}/`)))
          continue
        sets[by].push({ source, mirror, tags: by === 'tag', release: isReleaseSource(source) })
      }
    }
  }
  return sets
}

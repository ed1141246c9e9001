// The objects by which a cluster learns that images lie here: ImageContentSourcePolicy (operator.openshift.io/v1alpha1) to
// 4.12, ImageDigestMirrorSet and ImageTagMirrorSet (config.openshift.io/v1) from 4.13 on. Pure.
import type { Handout } from './handout.ts'
import type { MirrorPair } from './mirror-pairs.ts'
import type { KubeObject } from './objects.ts'
import { toYamlStream } from './objects.ts'
import type { OpenShiftVersion } from './version.ts'
import { formatVersion, hasMirrorSets } from './version.ts'

export interface MirrorSetOptions {
  readonly version: OpenShiftVersion
  readonly pairs: readonly MirrorPair[]
  /** `metadata.name` of each object. */
  readonly name: string
  /** Nodes never ask the source itself; ImageContentSourcePolicy cannot say that. */
  readonly neverSource: boolean
}

/** The objects; none for no pairs. */
export function makeMirrorSets({ version, pairs, name, neverSource }: MirrorSetOptions): KubeObject[] {
  if (!hasMirrorSets(version)) {
    const repositoryDigestMirrors = groupPairs(pairs)
    return repositoryDigestMirrors.length === 0
      ? []
      : [
          {
            apiVersion: 'operator.openshift.io/v1alpha1',
            kind: 'ImageContentSourcePolicy',
            metadata: { name },
            spec: { repositoryDigestMirrors },
          },
        ]
  }
  const policy = neverSource ? { mirrorSourcePolicy: 'NeverContactSource' } : {}
  const lists = [
    { kind: 'ImageDigestMirrorSet', key: 'imageDigestMirrors', of: pairs },
    { kind: 'ImageTagMirrorSet', key: 'imageTagMirrors', of: pairs.filter(({ tags }) => tags) },
  ]
  return lists
    .filter(({ of }) => of.length > 0)
    .map(({ kind, key, of }) => ({
      apiVersion: 'config.openshift.io/v1',
      kind,
      metadata: { name },
      spec: { [key]: groupPairs(of).map((entry) => ({ ...entry, ...policy })) },
    }))
}

/** Each source once, with all its mirrors. */
export function groupPairs(pairs: readonly MirrorPair[]): { mirrors: string[]; source: string }[] {
  const bySource = new Map<string, string[]>()
  for (const { source, mirror } of pairs) {
    const mirrors = bySource.get(source) ?? []
    if (!mirrors.includes(mirror)) bySource.set(source, [...mirrors, mirror])
  }
  return [...bySource].map(([source, mirrors]) => ({ mirrors, source }))
}

/** The file and how it is applied. */
export function handOutMirrorSets(options: MirrorSetOptions): Handout {
  const { version, pairs, neverSource } = options
  const isOld = !hasMirrorSets(version)
  const file = isOld ? 'icsp.yaml' : 'mirror-set.yaml'
  return {
    files: [{ path: file, text: toYamlStream(makeMirrorSets(options)) }],
    commands: [`oc apply -f ${file}`, 'oc get machineconfigpool --watch'],
    notes: [
      'the cluster writes it to every node and may drain them one after the other',
      ...(isOld && pairs.some(({ tags }) => tags)
        ? [
            `OpenShift ${formatVersion(version)} mirrors pulls by digest only; pulls by tag go to their source (4.13 has ImageTagMirrorSet)`,
          ]
        : []),
      ...(isOld && neverSource
        ? [`--never-source has no effect: an ImageContentSourcePolicy always falls back to the source`]
        : []),
      ...(isOld ? [] : ['where an ImageContentSourcePolicy is left from before 4.13: oc adm migrate icsp FILE']),
    ],
  }
}

// The ConfigMap of certificates that a cluster trusts registries by. A cluster takes exactly one such ConfigMap, so that of
// a cluster which has one already is extended. Pure.
import { Problem } from '../../config/problem.ts'
import type { Handout } from './handout.ts'
import { quoteWord } from './handout.ts'
import type { KubeObject } from './objects.ts'
import { isObject, ownMetadata, toYaml } from './objects.ts'
import type { RegistryName } from './registry-name.ts'
import { caKeyOf } from './registry-name.ts'
import { fingerprintsOf } from './trust.ts'

export const CA_NAMESPACE = 'openshift-config'
/** OpenShift Update Service looks for its registry's certificate under this key. */
export const UPDATE_SERVICE_KEY = 'updateservice-registry'

export interface CaOptions {
  readonly registry: RegistryName
  /** Certificates in PEM. */
  readonly trust: string
  /** `metadata.name` where there is no existing one. */
  readonly name: string
  /** The ConfigMap that the cluster has now. */
  readonly existing?: KubeObject | undefined
  readonly updateService: boolean
}

export interface CaChange {
  readonly configMap: KubeObject
  readonly name: string
  /** What happened to each key that is ours; the others are as they were. */
  readonly changes: readonly { readonly key: string; readonly before: string | undefined; readonly after: string }[]
  readonly kept: readonly string[]
}

/** Puts the certificate into the ConfigMap; all other keys stay. Throws a Problem for an object that is no ConfigMap. */
export function mergeCa({ registry, trust, name, existing, updateService }: CaOptions): CaChange {
  if (existing !== undefined && existing['kind'] !== 'ConfigMap') {
    throw new Problem(`the existing object is a ${String(existing['kind'])}, not a ConfigMap`, {
      hint: `as \`oc get configmap NAME -n ${CA_NAMESPACE} -o yaml\` prints it`,
    })
  }
  const metadata = ownMetadata(existing?.['metadata'])
  const old = isObject(existing?.['data']) ? existing['data'] : {}
  const own = caKeyOf(registry)
  const keys = [own, ...(updateService || isOurUpdateService(old, own) ? [UPDATE_SERVICE_KEY] : [])]
  const data = { ...old, ...Object.fromEntries(keys.map((key) => [key, trust])) }
  const { binaryData } = existing ?? {}
  const taken = typeof metadata['name'] === 'string' ? metadata['name'] : name
  return {
    name: taken,
    configMap: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...metadata, name: taken, namespace: CA_NAMESPACE },
      data,
      ...(isObject(binaryData) && { binaryData }),
    },
    changes: keys.map((key) => {
      const before = old[key]
      return { key, before: typeof before === 'string' ? before : undefined, after: trust }
    }),
    kept: Object.keys(old).filter((key) => !keys.includes(key)),
  }
}

/**
 * Whether the update service takes its releases from this registry, as far as the certificates tell: then its key is kept in
 * step. Others may stand there, or several.
 */
function isOurUpdateService(data: Readonly<Record<string, unknown>>, own: string): boolean {
  const { [UPDATE_SERVICE_KEY]: now, [own]: ours, ...others } = data
  if (typeof now !== 'string') return false
  if (typeof ours === 'string') return isSameTrust(ours, now)
  return Object.values(others).every((other) => typeof other !== 'string' || !isSameTrust(other, now))
}

/** Whether the cluster has these very certificates already. */
export function isSameTrust(before: string | undefined, after: string): boolean {
  if (before === undefined) return false
  const [a, b] = [fingerprintsOf(before), fingerprintsOf(after)]
  return a.length === b.length && a.every((fingerprint) => b.includes(fingerprint))
}

/** The merge patch of image.config.openshift.io/cluster. */
export function makeImagePatch(name: string): string {
  return JSON.stringify({ spec: { additionalTrustedCA: { name } } })
}

export function handOutCa(options: CaOptions): Handout {
  const { configMap, name, kept, changes } = mergeCa(options)
  const file = 'registry-cas.yaml'
  return {
    files: [{ path: file, text: toYaml(configMap) }],
    commands: [
      `oc apply -f ${file}`,
      `oc patch image.config.openshift.io/cluster --type=merge -p ${quoteWord(makeImagePatch(name))}`,
    ],
    notes: [
      ...(options.existing === undefined
        ? [
            `a cluster takes one such ConfigMap: see whether it has one with \`oc get image.config.openshift.io/cluster -o yaml\`, and give it with --existing FILE or --from-cluster`,
          ]
        : [`kept of ${name}: ${kept.length === 0 ? 'nothing else was there' : kept.join(', ')}`]),
      ...changes
        .filter(({ before, after }) => before !== undefined && !isSameTrust(before, after))
        .map(({ key }) => `${key} had another certificate, which this one replaces`),
      ...(kept.includes(UPDATE_SERVICE_KEY)
        ? [`${UPDATE_SERVICE_KEY} has certificates of another registry, and keeps them: --update-service replaces them`]
        : []),
    ],
  }
}

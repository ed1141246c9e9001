// What a running cluster knows of its registries, asked of it by whatever runs `oc get` or `kubectl get`.
import { Problem } from '../../config/problem.ts'
import { CA_NAMESPACE } from './ca-config-map.ts'
import type { KubeObject } from './objects.ts'
import { isObject, readObjects } from './objects.ts'
import type { PullSecret } from './pull-secret.ts'
import { readPullSecret } from './pull-secret.ts'

/** Runs `get …` and gives what is printed; undefined where there is no such object. */
export type AskCluster = (args: readonly string[]) => Promise<string | undefined>

/** The global pull secret. Throws a Problem where there is none. */
export async function readClusterPullSecret(ask: AskCluster): Promise<PullSecret> {
  const text = await ask(['get', 'secret/pull-secret', '-n', CA_NAMESPACE, '-o', 'json'])
  if (text === undefined) {
    throw new Problem(`the cluster has no secret pull-secret in ${CA_NAMESPACE}`, {
      hint: 'is it an OpenShift cluster?',
    })
  }
  return readPullSecret(text, 'the cluster’s pull secret')
}

/** The ConfigMap of certificates that image.config.openshift.io/cluster names; undefined where it names none. */
export async function readClusterCa(ask: AskCluster): Promise<KubeObject | undefined> {
  const text = await ask(['get', 'image.config.openshift.io/cluster', '-o', 'json'])
  const [image] = text === undefined ? [] : readObjects(text, 'image.config.openshift.io/cluster')
  const spec = image?.['spec']
  const trusted = isObject(spec) ? spec['additionalTrustedCA'] : undefined
  const name = isObject(trusted) ? trusted['name'] : undefined
  if (typeof name !== 'string' || name === '') return undefined
  const found = await ask(['get', `configmap/${name}`, '-n', CA_NAMESPACE, '-o', 'json'])
  const [configMap] = found === undefined ? [] : readObjects(found, `configmap/${name}`)
  // It names one that is gone: a new one must have this name.
  return configMap ?? { kind: 'ConfigMap', metadata: { name } }
}

/** The mirror sets of all kinds that the cluster knows. Throws what `ask` throws, but for a kind that it does not know. */
export async function readClusterMirrorSets(ask: AskCluster): Promise<KubeObject[]> {
  const kinds = ['imagedigestmirrorset', 'imagetagmirrorset', 'imagecontentsourcepolicy']
  const sets: KubeObject[] = []
  for (const kind of kinds) {
    const text = await ask(['get', kind, '-o', 'json']).catch((error: unknown) => {
      // A cluster knows only the kinds of its version.
      if (error instanceof Error && error.message.includes("doesn't have a resource type")) return undefined
      throw error
    })
    if (text !== undefined) sets.push(...readObjects(text, kind))
  }
  return sets
}

/** What tells which images run: the version with its history, and all pods. */
export async function readClusterImages(ask: AskCluster): Promise<{ text: string; source: string }[]> {
  const release = await readClusterRelease(ask)
  const pods = await ask(['get', 'pods', '--all-namespaces', '-o', 'json'])
  return [
    ...(release === undefined ? [] : [{ text: release, source: 'clusterversion/version' }]),
    ...(pods === undefined ? [] : [{ text: pods, source: 'pods' }]),
  ]
}

/** The image of the release that the cluster runs, or is on its way to; its history names others that no node needs. */
export async function readClusterRelease(ask: AskCluster): Promise<string | undefined> {
  const version = await ask(['get', 'clusterversion/version', '-o', 'json'])
  const [object] = version === undefined ? [] : readObjects(version, 'clusterversion/version')
  const status = object?.['status']
  const desired = isObject(status) ? status['desired'] : undefined
  const image = isObject(desired) ? desired['image'] : undefined
  return typeof image === 'string' ? image : undefined
}

// The object by which OpenShift Update Service serves the graph of updates from here. Pure.
import type { Handout } from './handout.ts'
import type { KubeObject } from './objects.ts'
import { toYaml } from './objects.ts'

export interface UpdateServiceOptions {
  readonly name: string
  /** `HOST/REPOSITORY` of the release images; the service lists its tags. */
  readonly releases: string
  /** `HOST/REPOSITORY:TAG` or, better, by digest. */
  readonly graphImage: string
  /** Whether component images share the repository of the releases. */
  readonly crowded: boolean
}

const NAMESPACE = 'openshift-update-service'

export function makeUpdateService({ name, releases, graphImage }: UpdateServiceOptions): KubeObject {
  return {
    apiVersion: 'updateservice.operator.openshift.io/v1',
    kind: 'UpdateService',
    metadata: { name, namespace: NAMESPACE },
    spec: { replicas: 2, releases, graphDataImage: graphImage },
  }
}

export function handOutUpdateService(options: UpdateServiceOptions): Handout {
  const file = 'update-service.yaml'
  const { name, releases, crowded } = options
  return {
    files: [{ path: file, text: toYaml(makeUpdateService(options)) }],
    commands: [
      `oc apply -f ${file}`,
      `oc patch clusterversion version --type=merge -p "{\\"spec\\":{\\"upstream\\":\\"$(oc get updateservice ${name} -n ${NAMESPACE} -o jsonpath='{.status.policyEngineURI}')/api/upgrades_info/v1/graph\\"}}"`,
    ],
    notes: [
      `the operator of the update service must be installed in ${NAMESPACE}`,
      'it trusts this registry by the key updateservice-registry: tarn cluster ca --update-service',
      ...(crowded
        ? [`${releases} holds component images too: the service reads the manifest of every tag there, which is slow`]
        : []),
    ],
  }
}

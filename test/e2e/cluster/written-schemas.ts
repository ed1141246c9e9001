// What clusters take, written by hand after the examples of OpenShift's documentation: for machines without Go, where the
// definitions of the APIs cannot be had. Closed: whatever is not named here is a flaw.
import type { Schema } from './structural-schema.ts'

const text: Schema = { type: 'string', minLength: 1 }
// Host, then a path in lower case; no tag and no digest.
const repository: Schema = { type: 'string', pattern: '^[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._-]+)*$' }
const list = (items: Schema): Schema => ({ type: 'array', items, minItems: 1 })

function object(properties: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((key) => !optional.includes(key)) }
}

const withSpec = (spec: Schema): Schema => object({ spec })
const mirrors = { source: repository, mirrors: list(repository) }
const policy: Schema = { type: 'string', enum: ['NeverContactSource', 'AllowContactingSource'] }
const entries = list(object({ ...mirrors, mirrorSourcePolicy: policy }, 'mirrorSourcePolicy'))

/** By `apiVersion kind`. */
export const WRITTEN_SCHEMAS: ReadonlyMap<string, Schema> = new Map([
  [
    'operator.openshift.io/v1alpha1 ImageContentSourcePolicy',
    withSpec(object({ repositoryDigestMirrors: list(object(mirrors)) })),
  ],
  ['config.openshift.io/v1 ImageDigestMirrorSet', withSpec(object({ imageDigestMirrors: entries }))],
  ['config.openshift.io/v1 ImageTagMirrorSet', withSpec(object({ imageTagMirrors: entries }))],
  ['config.openshift.io/v1 Image', withSpec(object({ additionalTrustedCA: object({ name: text }) }))],
  [
    'operators.coreos.com/v1alpha1 CatalogSource',
    withSpec(object({ sourceType: { type: 'string', enum: ['grpc'] }, image: text })),
  ],
  [
    'olm.operatorframework.io/v1 ClusterCatalog',
    withSpec(object({ source: object({ type: { type: 'string', enum: ['Image'] }, image: object({ ref: text }) }) })),
  ],
  [
    // Its module is at no proxy of Go's, so this counts everywhere. Compared with the definition in the operator's repository
    // (config/crd/bases, June 2026), which says the same since November 2020.
    'updateservice.operator.openshift.io/v1 UpdateService',
    withSpec(object({ replicas: { type: 'integer', minimum: 1 }, releases: repository, graphDataImage: text })),
  ],
])

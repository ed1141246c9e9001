// Catalogs of operators: CatalogSource for OLM, ClusterCatalog for its second generation (OpenShift 4.18 and later). Names are
// those of oc-mirror, so that a cluster that had its objects keeps them. Pure.
import { Problem } from '../../config/problem.ts'
import { parseImageSource } from '../../config/image-source.ts'
import type { Handout } from './handout.ts'
import { quoteWord } from './handout.ts'
import type { KubeObject } from './objects.ts'
import { toYaml } from './objects.ts'
import type { OpenShiftVersion } from './version.ts'
import { hasClusterCatalog } from './version.ts'

export interface Catalog {
  /** `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@DIGEST`. */
  readonly image: string
}

const LONGEST_TAG = 12

/** `cs-redhat-operator-index-v4-18` without its first part. Throws a Problem for what is no image with a tag or digest. */
export function catalogName(image: string): string {
  const { repository, tag, digest } = parseImageSource(image) ?? {}
  const version = tag ?? digest?.replace(':', '-')
  if (repository === undefined || version === undefined) {
    throw new Problem(`not a catalog of operators: ${image}`, {
      hint: 'give HOST:PORT/REPOSITORY:TAG',
      exitCode: 2,
    })
  }
  const name = `${repository.split('/').at(-1) ?? ''}-${version.slice(0, LONGEST_TAG)}`
  return name.toLowerCase().replace(/[._]+/g, '-').replace(/-+$/, '')
}

export function makeCatalogSource({ image }: Catalog): KubeObject {
  return {
    apiVersion: 'operators.coreos.com/v1alpha1',
    kind: 'CatalogSource',
    metadata: { name: `cs-${catalogName(image)}`, namespace: 'openshift-marketplace' },
    spec: { sourceType: 'grpc', image },
  }
}

export function makeClusterCatalog({ image }: Catalog): KubeObject {
  return {
    apiVersion: 'olm.operatorframework.io/v1',
    kind: 'ClusterCatalog',
    metadata: { name: `cc-${catalogName(image)}` },
    spec: { source: { type: 'Image', image: { ref: image } } },
  }
}

/** A file for each object. */
export function handOutCatalogs(catalogs: readonly Catalog[], version: OpenShiftVersion): Handout {
  const files = catalogs.flatMap((catalog) => {
    const name = catalogName(catalog.image)
    return [
      { path: `cs-${name}.yaml`, text: toYaml(makeCatalogSource(catalog)) },
      ...(hasClusterCatalog(version) ? [{ path: `cc-${name}.yaml`, text: toYaml(makeClusterCatalog(catalog)) }] : []),
    ]
  })
  const disable = JSON.stringify([{ op: 'add', path: '/spec/disableAllDefaultSources', value: true }])
  return {
    files,
    commands: [
      `oc patch OperatorHub cluster --type=json -p ${quoteWord(disable)}`,
      ...files.map(({ path }) => `oc apply -f ${path}`),
    ],
    notes: [
      'the first command takes the catalogs of the internet away, which cannot answer',
      'what a catalog names must lie here too, and a mirror set must say where: tarn cluster mirror-set',
    ],
  }
}

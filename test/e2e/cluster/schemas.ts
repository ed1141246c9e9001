// Everything that `tarn cluster` hands out against schemas: those written by hand, and where Go is those of the APIs themselves,
// as the modules of their makers have them; Go downloads them, outside the checkout.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import type { Machine } from '../helpers/machine.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { findCommand } from '../install.ts'
import { must } from '../mirror/scene.ts'
import type { Schema } from './structural-schema.ts'
import { findFlaws } from './structural-schema.ts'
import type { Registry, Site } from './site.ts'
import { makeRelease, makeSite, pushRelease } from './site.ts'
import { WRITTEN_SCHEMAS } from './written-schemas.ts'

/** The state of openshift/api at the branches of these versions, or as near as its proxy has it. */
const API: Readonly<Record<string, string>> = {
  '4.4': 'github.com/openshift/api@v0.0.0-20200827090112-c05698d102cf',
  '4.12': 'github.com/openshift/api@v0.0.0-20220525145417-ee5b62754c68',
  '4.14': 'github.com/openshift/api@v0.0.0-20240304080513-3e8192a10b13',
  '4.19': 'github.com/openshift/api@v0.0.0-20251015095338-264e80a2b6e7',
}
const OPERATORS = ['github.com/operator-framework/api@v0.17.3', 'github.com/operator-framework/catalogd@v1.1.0']
const UPDATE_SERVICE = 'updateservice.operator.openshift.io/v1 UpdateService'

interface Definition {
  readonly kind?: string
  readonly spec?: {
    readonly group: string
    /** A patch of a definition has none. */
    readonly names?: { readonly kind: string }
    readonly validation?: { readonly openAPIV3Schema: Schema }
    readonly versions?: readonly { readonly name: string; readonly schema?: { readonly openAPIV3Schema: Schema } }[]
  }
}

export async function checkSchemas(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const site = await makeSite(context)
  const release = await makeRelease()
  const registry = await site.makeRegistry(5000, 'david', (url) => pushRelease(release, url))
  for (const version of Object.keys(API)) {
    await recorder.check(`${version}: objects against schemas that were written by hand`, async () =>
      judge(await makeObjects(site, registry, version), WRITTEN_SCHEMAS, version),
    )
  }
  if ((await findCommand('go')) === undefined) {
    recorder.skip('objects against the schemas of their APIs', 'Go is not here: those written by hand had to do')
    return
  }
  const operators = new Map([...WRITTEN_SCHEMAS].filter(([kind]) => kind === UPDATE_SERVICE))
  for (const module of OPERATORS) await readSchemas(machine, module, operators)
  for (const [version, module] of Object.entries(API)) {
    await recorder.check(`${version}: objects against the schemas of ${module.replace(/.*\//, '')}`, async () => {
      const schemas = new Map(operators)
      await readSchemas(machine, module, schemas)
      judge(await makeObjects(site, registry, version), schemas, version)
    })
  }
}

/** Throws what is wrong with the objects, when a kind of the version is not among them, and when a broken one would pass. */
function judge(objects: readonly KubeObject[], schemas: ReadonlyMap<string, Schema>, version: string): void {
  const kinds = objects.map(({ kind }) => kind)
  const minor = Number(version.slice(2))
  const wanted = [
    ...(minor < 13 ? ['ImageContentSourcePolicy'] : ['ImageDigestMirrorSet', 'ImageTagMirrorSet']),
    'CatalogSource',
    ...(minor < 18 ? [] : ['ClusterCatalog']),
    'UpdateService',
    'Image',
  ]
  must(kinds.join(' ') === wanted.join(' '), `instead of ${wanted.join(', ')}: ${kinds.join(', ')}`)
  for (const object of objects) {
    const schema = schemas.get(`${object.apiVersion} ${object.kind}`)
    const flaws = schema === undefined ? ['its API has no such kind'] : findFlaws(object, schema)
    must(flaws.length === 0, `${object.kind}: ${flaws.join('; ')}`)
    // A schema that takes everything would prove nothing.
    const broken = findFlaws({ ...object, spec: { mirrors: 1 } }, schema ?? {})
    must(broken.length > 0, `a broken ${object.kind} passes`)
  }
}

interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
}

/** All objects of custom kinds, and the configuration of images as the patch leaves it. */
async function makeObjects(site: Site, { name, config }: Registry, version: string): Promise<KubeObject[]> {
  const run = async (...args: string[]): Promise<string> =>
    (await site.tarn(['cluster', ...args, '--config', config])).stdout.toString()
  const texts = [
    await run(
      'mirror-set',
      name,
      '--for',
      version,
      '--never-source',
      '--source',
      'registry.redhat.io=registry.redhat.io',
    ),
    await run('catalog-source', name, '--for', version, '--image', 'redhat/redhat-operator-index:v4.14'),
    await run('update-service', name),
  ]
  const objects = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubeObject))
  const [, patch = '{}'] =
    /oc patch image\.config\.openshift\.io\/cluster --type=merge -p '(.*)'/.exec(await run('ca', name)) ?? []
  const image = {
    apiVersion: 'config.openshift.io/v1',
    kind: 'Image',
    metadata: { name: 'cluster' },
    ...(JSON.parse(patch) as object),
  }
  return [...objects, image]
}

/** Adds the schemas of all definitions in a Go module, by `apiVersion kind`. */
async function readSchemas(machine: Machine, module: string, schemas: Map<string, Schema>): Promise<void> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'tarn-e2e-go-modules')
  const folder = await machine.scratch('go')
  await writeFile(join(folder, 'go.mod'), 'module schemas\n')
  const env = { GOMODCACHE: cache, GOFLAGS: '-modcacherw' }
  const told = await machine.run('go', ['mod', 'download', '-json', module], { env, cwd: folder, timeout: 300_000 })
  const { Dir: directory } = JSON.parse(told.text) as { Dir: string }
  const files = await readdir(directory, { recursive: true })
  for (const file of files.filter(
    (each) =>
      /image|catalog/i.test(each) &&
      /crd.*\.ya?ml$|crds?\/.*\.ya?ml$/.test(each) &&
      !/TechPreview|DevPreview|CustomNoUpgrade|featuregated|test/.test(each),
  )) {
    // One of them has a key twice.
    const text = await readFile(join(directory, file), 'utf8')
    const definition = parse(text, { uniqueKeys: false, logLevel: 'silent' }) as Definition | null
    if (definition?.kind !== 'CustomResourceDefinition' || definition.spec?.names === undefined) continue
    const { group, names, validation, versions = [] } = definition.spec
    for (const { name, schema } of versions) {
      const found = schema?.openAPIV3Schema ?? validation?.openAPIV3Schema
      if (found !== undefined) schemas.set(`${group}/${name} ${names.kind}`, found)
    }
  }
}

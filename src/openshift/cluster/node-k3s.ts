// registries.yaml of k3s and RKE2: the same file in two places. Pure.
import { Problem } from '../../config/problem.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { HandoutFile } from './handout.ts'
import type { NodeOptions } from './node-options.ts'
import { isObject, readObjects, toYaml } from './objects.ts'

export const RANCHER = { k3s: '/etc/rancher/k3s', rke2: '/etc/rancher/rke2' } as const

/** Files below `k3s/` or `rke2/`. */
export function makeRancherFiles(kind: keyof typeof RANCHER, options: NodeOptions): HandoutFile[] {
  const ca = `${RANCHER[kind]}/tarn-ca.crt`
  return [
    {
      path: `${kind}/registries.yaml`,
      text: makeRegistriesYaml(options, ca),
      place: `${RANCHER[kind]}/registries.yaml`,
      shared: true,
      over: options.registriesYaml,
      secret: options.login !== undefined,
    },
    ...(options.trust === undefined ? [] : [{ path: `${kind}/tarn-ca.crt`, text: options.trust, place: ca }]),
  ]
}

/** `"*"` sends every registry here; what lies here under another path than outside has a rewrite. `ca` is a path of the node. */
export function makeRegistriesYaml(options: NodeOptions, ca: string): string {
  const { registry, trust, login, registriesYaml } = options
  const existing = registriesYaml === undefined ? {} : readExisting(registriesYaml)
  const endpoint = [`https://${registry.name}`]
  const mirrors: Record<string, unknown> = { ...asObject(existing['mirrors']), '*': { endpoint } }
  for (const [host, rewrite] of rewritesOf(options)) mirrors[host] = { endpoint, rewrite }
  const config = {
    ...(login !== undefined && { auth: { username: login.user, password: login.password } }),
    ...(trust !== undefined && { tls: { ca_file: ca } }),
  }
  const configs = {
    ...asObject(existing['configs']),
    ...(Object.keys(config).length > 0 && { [registry.name]: config }),
  }
  return `# made by tarn cluster nodes\n${toYaml({ ...existing, mirrors, ...(Object.keys(configs).length > 0 && { configs }) })}`
}

/**
 * By host: patterns of the path outside and the path here, for pairs whose repository was renamed on its way. The path here
 * begins with this registry's name: the node says `?ns=` of the other one too, and only so no path of that one is meant.
 */
function rewritesOf({ pairs, registry }: NodeOptions): Map<string, Record<string, string>> {
  const rewrites = new Map<string, Record<string, string>>()
  for (const { source, mirror } of pairs) {
    const slash = source.indexOf('/')
    const host = slash < 0 ? source : source.slice(0, slash)
    const path = slash < 0 ? '' : source.slice(slash + 1)
    const here = mirror.slice(registry.name.length + 1)
    // The place where `?ns=` leads anyway.
    if (path === '' || here === `${host.replaceAll(':', '_')}/${path}`) continue
    const of = rewrites.get(host) ?? {}
    const own = isRepositoryName(`${registry.host}/${here}`) ? `${registry.host}/${here}` : here
    of[`^${path.replace(/[.+]/g, '\\$&')}(/.*)?$`] ??= `${own}$1`
    rewrites.set(host, of)
  }
  return rewrites
}

function readExisting(text: string): Record<string, unknown> {
  const [object = {}, ...more] = readObjects(text, 'the registries.yaml')
  if (more.length > 0) throw new Problem('the registries.yaml has more than one document')
  return object
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

// What podman, buildah, skopeo and CRI-O on a node need (containers-registries.conf(5), containers-certs.d(5),
// containers-auth.json(5)). Pure.
import type { HandoutFile } from './handout.ts'
import { groupPairs } from './mirror-set.ts'
import type { NodeOptions } from './node-options.ts'
import { authFileOf } from './node-options.ts'

/** Files below `podman/`. */
export function makePodmanFiles(options: NodeOptions): HandoutFile[] {
  const { registry, trust, login, pairs } = options
  const auth = authFileOf(options)
  return [
    ...(pairs.length === 0 ? [] : [place('registries.conf.d/50-tarn.conf', makeRegistriesConf(options))]),
    ...(trust === undefined ? [] : [place(`certs.d/${registry.name}/ca.crt`, trust)]),
    ...(auth === undefined || login === undefined
      ? []
      : [
          {
            path: 'podman/auth.json',
            text: auth,
            secret: true,
            shared: true,
            place: '/root/.config/containers/auth.json',
          },
          // CRI-O knows no login of root's: it reads the file that this names.
          { path: 'podman/crio-auth.json', text: auth, secret: true, place: '/etc/crio/tarn-auth.json' },
          {
            path: 'podman/crio-tarn.conf',
            text: '[crio.image]\nglobal_auth_file = "/etc/crio/tarn-auth.json"\n',
            place: '/etc/crio/crio.conf.d/50-tarn.conf',
          },
        ]),
  ]
}

function place(name: string, text: string): HandoutFile {
  return { path: `podman/${name}`, text, place: `/etc/containers/${name}` }
}

/** A `[[registry]]` for each source, its mirrors in order. What keeps its tags is mirrored by tag too. */
export function makeRegistriesConf({ pairs, neverSource }: NodeOptions): string {
  const blocks = groupPairs(pairs).map(({ source, mirrors }) => {
    const of = (mirror: string) => pairs.find((pair) => pair.source === source && pair.mirror === mirror)
    return [
      '[[registry]]',
      `prefix = ${quote(source)}`,
      `location = ${quote(source)}`,
      ...(neverSource ? ['blocked = true'] : []),
      ...mirrors.flatMap((mirror) => [
        '',
        '[[registry.mirror]]',
        `location = ${quote(mirror)}`,
        ...(of(mirror)?.tags === false ? ['pull-from-mirror = "digest-only"'] : []),
      ]),
    ].join('\n')
  })
  return `# made by tarn cluster nodes\n\n${blocks.join('\n\n')}\n`
}

// Names of registries and repositories hold nothing that TOML and JSON would write differently.
function quote(text: string): string {
  return JSON.stringify(text)
}

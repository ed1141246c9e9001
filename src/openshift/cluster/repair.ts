// What a cluster must be told after its registry was lost and rebuilt, as a difference to what it knows. Pure.
import type { CaChange } from './ca-config-map.ts'
import { isSameTrust, makeImagePatch } from './ca-config-map.ts'
import type { Handout } from './handout.ts'
import { quoteWord } from './handout.ts'
import { toYaml } from './objects.ts'
import type { PullSecret } from './pull-secret.ts'
import { loginOf, partOf } from './pull-secret.ts'
import type { RegistryName } from './registry-name.ts'
import type { LoginRepair } from './repair-logins.ts'
import { describeTrust } from './trust.ts'

/** `-` goes, `+` comes, `=` stays. */
export interface DiffLine {
  readonly sign: '-' | '+' | '='
  readonly text: string
}

export interface DiffSection {
  readonly title: string
  readonly lines: readonly DiffLine[]
}

export function diffLogins(path: string, { users, others }: LoginRepair): DiffSection {
  const lines: DiffLine[] = users.flatMap(({ login, key, change }): DiffLine[] => {
    const { user } = login
    if (change === 'as it is')
      return [{ sign: '=', text: `${user}, with the password that the pull secret holds for ${key}` }]
    return [
      ...(change === 'new password' ? [{ sign: '-' as const, text: `${user}, with another password` }] : []),
      { sign: '+', text: `${user}, with the password that the pull secret holds for ${key}` },
    ]
  })
  return {
    title: path,
    lines: [
      ...lines,
      ...others.map((user) => ({ sign: '=' as const, text: `${user}, whom the pull secret does not know` })),
    ],
  }
}

export function diffCa({ name, changes, kept }: CaChange): DiffSection {
  const lines = changes.flatMap(({ key, before, after }): DiffLine[] => {
    const show = (sign: DiffLine['sign'], pem: string) =>
      describeTrust(pem).map((text) => ({ sign, text: `${key}: ${text}` }))
    if (isSameTrust(before, after)) return show('=', after)
    return [...(before === undefined ? [] : show('-', before)), ...show('+', after)]
  })
  return {
    title: `ConfigMap ${name} in openshift-config`,
    lines: [...lines, ...kept.map((key) => ({ sign: '=' as const, text: key }))],
  }
}

/** Names of users and keys, never a password. `after` is absent where the secret stays as it is. */
export function diffPullSecret(before: PullSecret, after: PullSecret | undefined, registry: RegistryName): DiffSection {
  const title = 'Secret pull-secret in openshift-config'
  if (after === undefined)
    return { title, lines: [{ sign: '=', text: 'stays as it is: the registry takes its login' }] }
  const show = (auths: PullSecret['auths'], key: string): string =>
    `${key}: user ${loginOf(auths[key] ?? {})?.user ?? 'unknown'}`
  const keys = [...new Set([...Object.keys(before.auths), ...Object.keys(after.auths)])]
  const lines = keys.flatMap((key): DiffLine[] => {
    const [old, now] = [before.auths[key], after.auths[key]]
    if (partOf(key, registry) === undefined || JSON.stringify(old) === JSON.stringify(now))
      return [{ sign: '=', text: key }]
    return [
      ...(old === undefined ? [] : [{ sign: '-' as const, text: show(before.auths, key) }]),
      ...(now === undefined ? [] : [{ sign: '+' as const, text: show(after.auths, key) }]),
    ]
  })
  return { title, lines }
}

/** Whether anything comes or goes. */
export function isChange({ lines }: DiffSection): boolean {
  return lines.some(({ sign }) => sign !== '=')
}

export interface RepairOptions {
  readonly ca: CaChange | undefined
  /** The new pull secret; absent where it stays. */
  readonly pullSecret: string | undefined
}

/** Files and commands for the cluster; none where it need not change. */
export function handOutRepair({ ca, pullSecret }: RepairOptions): Handout {
  const files = [
    ...(ca === undefined ? [] : [{ path: 'registry-cas.yaml', text: toYaml(ca.configMap) }]),
    ...(pullSecret === undefined ? [] : [{ path: 'pull-secret.json', text: `${pullSecret}\n`, secret: true }]),
  ]
  const commands = [
    ...(ca === undefined
      ? []
      : [
          'oc apply -f registry-cas.yaml',
          `oc patch image.config.openshift.io/cluster --type=merge -p ${quoteWord(makeImagePatch(ca.name))}`,
        ]),
    ...(pullSecret === undefined
      ? []
      : ['oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=pull-secret.json']),
  ]
  if (files.length === 0) return { files, commands, notes: ['nothing need change on the cluster'] }
  const script = `#!/bin/sh\n# made by tarn cluster repair; for a host where oc is logged in\nset -eu\ncd "$(dirname "$0")"\n${commands.join('\n')}\n`
  return { files: [...files, { path: 'apply.sh', text: script }], commands, notes: [] }
}

/** The sections as text. */
export function formatDiff(sections: readonly DiffSection[]): string {
  return sections
    .map(({ title, lines }) => [title, ...lines.map(({ sign, text }) => `  ${sign} ${text}`)].join('\n'))
    .join('\n')
}

// What no single key can decide: old spellings before the check, and combinations after it. A combination that
// would leave the registry more open than its file reads must be refused, never repaired.
import type { Findings } from './check.ts'
import { reportUnused } from './check.ts'
import { checkMirror } from './check-mirror.ts'
import { describeFault } from './config-error.ts'
import { parseListenAddress } from './address.ts'
import { formOf } from './form.ts'
import type { Config } from './schema.ts'
import { ConfigSchema } from './schema.ts'
import type { MapNode, RawNode } from './tree.ts'
import { expandShorthand, findNode, isBlank, makeMap } from './tree.ts'

/** Rewrites distribution's older and shorter spellings in `root` into the ones of the schema. */
export function settleSpellings(root: MapNode, findings: Findings): void {
  settleLogLevel(root, findings)
  settleText(root, ['log', 'formatter'], { logstash: 'json' }, findings)
  settleText(root, ['http', 'tls', 'minimumtls'], { 'tls1.0': 'tls1.2', 'tls1.1': 'tls1.2' }, findings)
  settleAuth(root, findings)
  settleTls(root, findings)
}

function settleLogLevel(root: MapNode, findings: Findings): void {
  const old = root.entries.get('loglevel')
  root.entries.delete('loglevel')
  if (old === undefined || isBlank(old)) return
  findings.warnings.push(
    describeFault({
      where: old.origin,
      path: 'loglevel',
      what: 'deprecated; write log: {level: …}',
    }),
  )
  const log = root.entries.get('log')
  const section = log?.kind === 'map' ? log : makeMap(old.origin)
  if (!isBlank(section.entries.get('level'))) return
  section.entries.set('level', old)
  if (log === undefined || isBlank(log)) root.entries.set('log', section)
}

function settleText(
  root: MapNode,
  path: readonly string[],
  instead: Readonly<Record<string, string>>,
  findings: Findings,
): void {
  const key = path.at(-1) as string
  const section = findNode(root, path.slice(0, -1))
  const node = findNode(root, path)
  if (section?.kind !== 'map' || node?.kind !== 'scalar' || !Object.hasOwn(instead, node.text)) return
  const text = instead[node.text] as string
  findings.warnings.push(
    describeFault({
      where: node.origin,
      path: path.join('.'),
      what: `${node.text} is not supported, ${text} is used`,
    }),
  )
  section.entries.set(key, { kind: 'scalar', origin: node.origin, value: text, text })
}

// distribution: exactly one kind of login. `none` beside another one would be read as open by one reader and as
// closed by the next.
function settleAuth(root: MapNode, findings: Findings): void {
  const node = root.entries.get('auth')
  if (node === undefined) return
  const auth = expandShorthand(node)
  if (auth.kind !== 'map') return
  root.entries.set('auth', auth)
  const kinds = [...auth.entries.keys()]
  if (kinds.length > 1) {
    findings.faults.push({
      where: auth.entries.get(kinds[1] as string)?.origin ?? auth.origin,
      path: 'auth',
      what: `expected exactly one kind of login, found ${kinds.length}`,
      hint: 'keep htpasswd and remove the others',
    })
  }
}

// As in distribution, a tls section without certificate means plain HTTP; with a key or clientcas it is a mistake.
function settleTls(root: MapNode, findings: Findings): void {
  const http = root.entries.get('http')
  const tls = findNode(root, ['http', 'tls'])
  if (tls === undefined || http?.kind !== 'map' || (tls.kind !== 'map' && !isBlank(tls))) return
  if (['certificate', 'key', 'clientcas'].some((key) => !isEmpty(findNode(tls, [key])))) return
  const schema = ConfigSchema.properties.http.properties.tls
  for (const [key, child] of tls.kind === 'map' ? tls.entries : []) {
    if (!Object.hasOwn(schema.properties, key)) reportUnused(schema, `http.tls.${key}`, child, findings)
  }
  http.entries.delete('tls')
}

function isEmpty(node: RawNode | undefined): boolean {
  return isBlank(node) || (node?.kind === 'list' && node.items.length === 0)
}

/** Checks what spans several keys of a configuration that is right key by key; `root` knows the places. */
export function checkCombinations(config: Config, root: MapNode, findings: Findings): void {
  const { http, validation } = config
  // Of a key that is not written, the section around it.
  const whereOf = (path: readonly string[]): string =>
    findNode(root, path)?.origin ?? (path.length === 0 ? root.origin : whereOf(path.slice(0, -1)))
  if (http.net === 'tcp' && parseListenAddress(http.addr) === undefined) {
    const { expected, hint } = formOf('address')
    findings.faults.push({
      where: whereOf(['http', 'addr']),
      path: 'http.addr',
      what: expected,
      hint,
    })
  }
  if (http.net === 'unix' && !http.addr.includes('/')) {
    const hint = 'write addr: /run/tarn/registry.sock beside net: unix'
    findings.faults.push({
      where: whereOf(['http', 'addr']),
      path: 'http.addr',
      what: 'expected the path of a socket',
      hint,
    })
  }
  if (!http.http2.disabled) {
    const what = 'HTTP/2 is not offered: Tarn speaks HTTP/1.1 only'
    findings.warnings.push(
      describeFault({
        where: whereOf(['http', 'http2', 'disabled']),
        path: 'http.http2.disabled',
        what,
      }),
    )
  }
  const { platforms, platformlist } = validation.manifests.indexes
  if (platforms === 'list' && platformlist.length === 0) {
    findings.faults.push({
      where: whereOf(['validation', 'manifests', 'indexes', 'platforms']),
      path: 'validation.manifests.indexes.platforms',
      what: 'platforms: list without a platformlist',
      hint: 'add platformlist: [{architecture: amd64, os: linux}]',
    })
  }
  checkMirror(config, root, findings)
}

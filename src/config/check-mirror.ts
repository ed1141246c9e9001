// What no single key of `mirror:` and `proxy:` can decide: names that are there twice, logins that are half there, and a
// mirror that would fetch for everybody although nobody asked for that.
import type { Findings } from './check.ts'
import { isRepositoryName } from '../oci/name.ts'
import { needsLogin } from './mirror.ts'
import type { Config } from './schema.ts'
import type { UpstreamEntry } from './schema-mirror.ts'
import type { MapNode } from './tree.ts'
import { findNode } from './tree.ts'
import { listEntries, pathOf } from './upstreams.ts'

export type Complain = (key: string, what: string, hint: string) => void

/** Adds the faults of `config`, which is right key by key, to `findings`; `root` knows the places. */
export function checkMirror(config: Config, root: MapNode, findings: Findings): void {
  checkOpenness(config, root, findings)
  checkProxy(config, root, findings)
  const list = findNode(root, ['mirror', 'upstreams'])
  const seen = { host: new Set<string>(), path: new Set<string>() }
  for (const { entry, index } of listEntries(config.mirror)) {
    const node = list?.kind === 'list' ? list.items[index] : undefined
    const complain: Complain = (key, what, hint) => {
      const where = (findNode(node, key.split('.')) ?? node ?? list ?? root).origin
      findings.faults.push({ where, path: `mirror.upstreams[${index}].${key}`, what, hint })
    }
    checkNames(entry, seen, complain)
    checkAddresses(entry, complain)
    checkCredentials(entry, complain)
    if (typeof entry.platforms !== 'string' && entry.platforms.length === 0)
      complain('platforms', 'a list without a platform', 'write requested, all, or [linux/amd64]')
  }
}

/** A mirror fetches with its own credentials and its own bandwidth for whoever may pull. */
function checkOpenness(config: Config, root: MapNode, findings: Findings): void {
  const { mirror, proxy } = config
  if (needsLogin(config) || mirror?.anonymous === true) return
  const hint = 'set auth.htpasswd (access: {anonymous: pull} lets everybody pull), or write mirror: {anonymous: true}'
  const say = (key: string, what: string): void => {
    findings.faults.push({ where: findNode(root, [key])?.origin ?? root.origin, path: key, what, hint })
  }
  if (mirror !== undefined) say('mirror', 'nobody needs a login, so everybody could fetch through this mirror')
  else if (proxy?.remoteurl !== undefined && proxy.username !== undefined)
    say('proxy', 'nobody needs a login, so everybody could read what these credentials may read')
}

function checkProxy({ proxy }: Config, root: MapNode, findings: Findings): void {
  if (proxy?.remoteurl === undefined) return
  const where = findNode(root, ['proxy'])?.origin ?? root.origin
  const [lone, missing] = proxy.password === undefined ? ['username', 'password'] : ['password', 'username']
  if ((proxy.username === undefined) === (proxy.password === undefined)) return
  const [what, hint] = [`${lone} without ${missing}`, `add ${missing}: beside it, or remove both`]
  findings.faults.push({ where, path: `proxy.${lone}`, what, hint })
}

function checkNames(
  entry: UpstreamEntry,
  seen: Readonly<Record<'host' | 'path', Set<string>>>,
  complain: Complain,
): void {
  const path = pathOf(entry)
  if (!isRepositoryName(path)) complain('host', 'no path for its repositories can be made of it', 'add path: beside it')
  if (seen.host.has(entry.host)) complain('host', 'this upstream is there twice', 'keep one, with all addresses in url')
  else if (seen.path.has(path))
    complain('path', 'another upstream has this path', 'give each upstream a path of its own')
  seen.host.add(entry.host)
  seen.path.add(path)
}

/** Plain http is only for who says so. */
export function checkAddresses({ url, insecure }: Pick<UpstreamEntry, 'url' | 'insecure'>, complain: Complain): void {
  if (insecure || url.every((each) => each.startsWith('https:'))) return
  complain('url', 'plain http, which anybody on the way can read and change', 'write https://, or add insecure: true')
}

/** A login is whole, and only one. */
export function checkCredentials({ credentials }: Pick<UpstreamEntry, 'credentials'>, complain: Complain): void {
  const { authFile, username, passwordFile } = credentials
  if (authFile !== undefined && (username !== undefined || passwordFile !== undefined)) {
    const hint = 'keep authFile, or username and passwordFile'
    complain('credentials', 'authFile together with username or passwordFile', hint)
  } else if ((username === undefined) !== (passwordFile === undefined)) {
    const [lone, missing] = username === undefined ? ['passwordFile', 'username'] : ['username', 'passwordFile']
    complain(`credentials.${lone}`, `${lone} without ${missing}`, `add ${missing}: beside it`)
  }
}

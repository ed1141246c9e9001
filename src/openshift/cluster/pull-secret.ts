// Pull secrets: the logins that a cluster's nodes show to registries, `{"auths": {"host[:port][/path]": {"auth": …}}}`.
// They are secret: nothing here puts a value into a message, only keys and names of users. Pure.
import { Problem } from '../../config/problem.ts'
import { isObject, readObjects } from './objects.ts'
import type { RegistryName } from './registry-name.ts'

export interface Login {
  readonly user: string
  readonly password: string
}

export interface PullSecret {
  /** All keys of the document, `auths` among them. */
  readonly document: Readonly<Record<string, unknown>>
  readonly auths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const TYPE_KEYS = ['.dockerconfigjson', '.dockercfg'] as const
// Programs of one machine: no node has them, and some clients refuse the file for them.
const HELPERS = ['credsStore', 'credHelpers'] as const

/**
 * Reads a docker config, or a Secret that holds one (as `oc get secret … -o json` or `-o yaml` prints it). `source` is what
 * messages call it. Throws a Problem that quotes nothing.
 */
export function readPullSecret(text: string, source: string): PullSecret {
  const hint = 'expected {"auths": {"registry.example.com:5000": {"auth": "…"}}}, or a Secret that holds it'
  if (text.trim() === '') throw new Problem(`${source} is empty`, { hint })
  let plain = text
  // As people paste it: the value of .data alone.
  if (/^[A-Za-z0-9+/\s]+=*\s*$/.test(text)) plain = Buffer.from(text, 'base64').toString('utf8')
  const [object, ...more] = readObjects(plain, source)
  if (object === undefined || more.length > 0) throw new Problem(`${source} is no pull secret`, { hint })
  const document = object['kind'] === 'Secret' ? openSecret(object, source) : object
  const { auths } = document
  if (!isObject(auths)) throw new Problem(`${source} is no pull secret: it has no "auths"`, { hint })
  for (const [key, entry] of Object.entries(auths)) {
    if (!isObject(entry))
      throw new Problem(`the login of ${JSON.stringify(key)} in ${source} is not an object`, { hint })
  }
  return { document, auths: auths as PullSecret['auths'] }
}

function openSecret(secret: Readonly<Record<string, unknown>>, source: string): Record<string, unknown> {
  const [data, stringData] = [secret['data'], secret['stringData']]
  for (const key of TYPE_KEYS) {
    const plain = isObject(stringData) ? stringData[key] : undefined
    const encoded = isObject(data) ? data[key] : undefined
    const text =
      typeof plain === 'string'
        ? plain
        : typeof encoded === 'string'
          ? Buffer.from(encoded, 'base64').toString('utf8')
          : ''
    if (text === '') continue
    const [document] = readObjects(text, `${key} of ${source}`)
    if (document !== undefined) return key === '.dockercfg' ? { auths: document } : document
  }
  throw new Problem(`the Secret in ${source} has no ${TYPE_KEYS[0]}`, {
    hint: 'as `oc get secret/pull-secret -n openshift-config -o json` prints it',
  })
}

/** The login of one entry; undefined where it holds none that is a name and a password. */
export function loginOf(entry: Readonly<Record<string, unknown>>): Login | undefined {
  const { auth, username, password } = entry
  if (typeof auth === 'string' && auth !== '') {
    const plain = Buffer.from(auth, 'base64').toString('utf8')
    const colon = plain.indexOf(':')
    // docker once padded the password with NUL bytes.
    const [secret = ''] = plain.slice(colon + 1).split('\0')
    return colon < 1 || secret === '' ? undefined : { user: plain.slice(0, colon), password: secret }
  }
  if (typeof username === 'string' && typeof password === 'string' && username !== '' && password !== '') {
    return { user: username, password }
  }
  return undefined
}

/** Whether a key of `auths` speaks of the registry, and of which part of it: '' is the whole. */
export function partOf(key: string, { name }: RegistryName): string | undefined {
  const plain = key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
  const lower = plain.toLowerCase()
  const names = name.includes(':') ? [name] : [name, `${name}:443`]
  for (const each of names) {
    if (lower === each) return ''
    if (lower.startsWith(`${each}/`)) return plain.slice(each.length + 1)
  }
  return undefined
}

export interface MergeResult {
  /** One line of JSON. */
  readonly text: string
  readonly notes: readonly string[]
}

/**
 * The union of the secrets, later ones winning, and in it the login of this registry, which wins over all. Unknown keys
 * stay; credential helpers do not. Without a login nothing is added.
 */
export function mergePullSecrets(
  secrets: readonly { readonly source: string; readonly secret: PullSecret }[],
  ours: { readonly registry: RegistryName; readonly login: Login; readonly email?: string | undefined } | undefined,
): MergeResult {
  const notes: string[] = []
  const auths = new Map<string, Readonly<Record<string, unknown>>>()
  let document: Record<string, unknown> = {}
  for (const { source, secret } of secrets) {
    const helpers = HELPERS.filter((key) => key in secret.document)
    if (helpers.length > 0) notes.push(`${helpers.join(' and ')} of ${source} left out: nodes have no such programs`)
    document = { ...document, ...secret.document }
    for (const [key, entry] of Object.entries(secret.auths)) auths.set(key, entry)
  }
  if (ours !== undefined) {
    const { registry, login, email } = ours
    const auth = Buffer.from(`${login.user}:${login.password}`).toString('base64')
    const entry = { auth, ...(email !== undefined && { email }) }
    for (const [key, old] of auths) {
      const part = partOf(key, registry)
      if (part === undefined || key === registry.name) continue
      if (part === '') auths.delete(key)
      // podman and CRI-O take the longest path that fits: an older login there would win over ours.
      else if (old['auth'] !== auth) {
        auths.set(key, { ...old, ...entry })
        notes.push(`${key} had another login, which podman and CRI-O would have taken before ours: it has ours now`)
      }
    }
    auths.set(registry.name, { ...auths.get(registry.name), ...entry })
  }
  for (const helper of HELPERS) delete document[helper]
  return { text: JSON.stringify({ ...document, auths: Object.fromEntries(auths) }), notes }
}

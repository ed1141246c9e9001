// The users of a lost htpasswd, from the pull secret of the cluster that still logs in as them: it holds name and password,
// so that the cluster's secret need not change. Pure but for bcrypt. No password gets into a message.
import { parseHtpasswd } from '../../auth/htpasswd.ts'
import { matchesHash, parseUserName } from '../../auth/password.ts'
import { Problem } from '../../config/problem.ts'
import type { Login, PullSecret } from './pull-secret.ts'
import { loginOf, partOf } from './pull-secret.ts'
import type { RegistryName } from './registry-name.ts'

export interface UserChange {
  readonly login: Login
  /** The key of the pull secret that holds it. */
  readonly key: string
  readonly change: 'added' | 'new password' | 'as it is'
}

export interface LoginRepair {
  readonly users: readonly UserChange[]
  /** Users of the htpasswd that the pull secret does not know; they stay. */
  readonly others: readonly string[]
  readonly notes: readonly string[]
}

/**
 * What must become of an htpasswd, given as its text, so that it lets in whoever the pull secret holds for this registry.
 * Throws a Problem where it holds nobody.
 */
export async function planLogins(secret: PullSecret, registry: RegistryName, htpasswd: string): Promise<LoginRepair> {
  const { users: known } = parseHtpasswd(htpasswd)
  const notes: string[] = []
  const chosen = new Map<string, { key: string; login: Login }>()
  // The key of the whole registry first: it is what counts where two of them say different things of one user.
  const keys = Object.keys(secret.auths).toSorted((a, b) => a.length - b.length)
  for (const key of keys) {
    const entry = secret.auths[key]
    if (entry === undefined || partOf(key, registry) === undefined) continue
    const login = loginOf(entry)
    if (login === undefined) {
      notes.push(`${key} in the pull secret holds no user and password`)
      continue
    }
    const before = chosen.get(login.user)
    if (before === undefined) chosen.set(login.user, { key, login })
    else if (before.login.password !== login.password) {
      notes.push(
        `${key} has another password of ${login.user} than ${before.key}, which counts: that part of the registry will not be pulled`,
      )
    }
  }
  if (chosen.size === 0) {
    const near = Object.keys(secret.auths).filter((key) => key.split(':')[0] === registry.name.split(':')[0])
    throw new Problem(`the pull secret holds no login for ${registry.name}`, {
      hint:
        near.length > 0
          ? `it has one for ${near.join(', ')}: give that name, or change both sides: --new-login --user NAME --password-stdin`
          : 'change both sides: --new-login --user NAME --password-stdin',
    })
  }
  const users: UserChange[] = []
  for (const { key, login } of chosen.values()) {
    const hash = known.get(parseUserName(login.user))
    const isRight = hash !== undefined && (await matchesHash(login.password, hash))
    users.push({ key, login, change: isRight ? 'as it is' : hash === undefined ? 'added' : 'new password' })
  }
  return { users, others: [...known.keys()].filter((user) => !chosen.has(user)), notes }
}

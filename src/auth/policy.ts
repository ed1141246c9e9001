// Who may do what: the one function that every route asks (I7). Pure; it must never look at a request.
import type { RepositoryName } from '../oci/name.ts'

export type Action = 'ping' | 'pull' | 'push' | 'delete' | 'list' | 'admin'
export type Who = { readonly user: string } | 'anonymous'

/** `login`: the answer is 401 with a challenge. `deny`: 403, since another login of this client would not help. */
export type Decision = 'allow' | 'login' | 'deny'

export interface PolicyOptions {
  /** Whether the configuration has an `auth` section. Without one everybody may do all but admin, as in registry:2. */
  readonly loginRequired: boolean
  /** `access.anonymous`: what may be done without a login where logins exist. */
  readonly anonymous: 'none' | 'pull'
  /** `access.admins`: users who may act as administrators over HTTP. */
  readonly admins: readonly string[]
}

export interface Policy {
  decide(who: Who, action: Action, repository?: RepositoryName): Decision
}

const ANONYMOUS_PULL: ReadonlySet<Action> = new Set(['ping', 'pull', 'list'])

/** Makes the gate. `repository` is the name that the request acts on; today all repositories have one rule. */
export function createPolicy({ loginRequired, anonymous, admins }: PolicyOptions): Policy {
  const administrators = new Set(admins)

  const decide = (who: Who, action: Action): Decision => {
    if (!loginRequired) return action === 'admin' ? 'deny' : 'allow'
    if (who === 'anonymous') return anonymous === 'pull' && ANONYMOUS_PULL.has(action) ? 'allow' : 'login'
    if (action === 'admin') return administrators.has(who.user) ? 'allow' : 'deny'
    return 'allow'
  }
  return { decide }
}

// How one address of an upstream is logged in to. It remembers what the address asked for, so that later requests
// bring their token at once, and it decides what is shown to whom: Basic to the address itself only.
import type { Challenge } from './challenge.ts'
import type { Credential } from './credential.ts'
import type { TokenAsk, TokenSource } from './token.ts'
import { UpstreamError } from './upstream-error.ts'

type Way =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string }

export interface LoginOptions {
  /** For messages. */
  readonly host: string
  readonly tokens: TokenSource
  /** The login for a repository of the upstream. */
  readonly find: (repository: string) => Credential | undefined
}

export class Login {
  readonly #options: LoginOptions
  #way: Way | undefined

  constructor(options: LoginOptions) {
    this.#options = options
  }

  /** The Authorization of a request for `scope`, as the address wanted it before; undefined when it wanted none. */
  async offer(repository: string, scope: string, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#way === undefined) return undefined
    const credential = this.#options.find(repository)
    if (this.#way.scheme === 'basic') return credential?.basic()
    return `Bearer ${await this.#options.tokens.get(askFor(this.#way, scope, credential), signal)}`
  }

  /**
   * The Authorization with which to try again after a 401 on a request that showed `shown`; undefined when there is
   * nothing better to show. The scope is ours: what the challenge says about it is not believed.
   */
  async answer(
    challenges: readonly Challenge[],
    request: { repository: string; scope: string; shown: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<string | undefined> {
    const way = chooseWay(challenges)
    if (way === undefined) return undefined
    this.#way = way
    const { repository, scope, shown, signal } = request
    const credential = this.#options.find(repository)
    if (way.scheme === 'basic') {
      const basic = credential?.basic()
      if (credential !== undefined && basic === undefined) {
        throw new UpstreamError('unauthorized', `${this.#options.host} asks for Basic authentication`, {
          hint: 'an identity token cannot be shown to it: give a username and a password',
        })
      }
      return basic === shown ? undefined : basic
    }
    const ask = askFor(way, scope, credential)
    if (shown?.startsWith('Bearer ') === true) this.#options.tokens.drop(ask, shown.slice(7))
    const fresh = `Bearer ${await this.#options.tokens.get(ask, signal)}`
    return fresh === shown ? undefined : fresh
  }
}

function chooseWay(challenges: readonly Challenge[]): Way | undefined {
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm')
    const service = parameters.get('service')
    if (scheme === 'bearer' && realm !== undefined && realm !== '')
      return { scheme, realm, ...(service !== undefined && { service }) }
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined
}

function askFor(way: Way & { scheme: 'bearer' }, scope: string, credential: Credential | undefined): TokenAsk {
  return {
    realm: way.realm,
    scope,
    ...(way.service !== undefined && { service: way.service }),
    ...(credential && { credential }),
  }
}

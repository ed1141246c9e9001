// The one gate (I7): every route says what it does, one function decides who may, before any body is
// read. A request for something that does not exist is asked for its login all the same.
import { fastifyBasicAuth } from '@fastify/basic-auth'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Action, Policy, Who } from '../auth/policy.ts'
import { RegistryError, registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'

/** What a request wants: `public` is open to everybody and asks nobody. */
export interface Wish {
  readonly action: Action | 'public'
  readonly repository?: RepositoryName | undefined
}

// No header at all, or what skopeo sends when it has no login: "Basic " and base64 of ":".
const NO_LOGIN: ReadonlySet<string | undefined> = new Set([undefined, 'Basic Og=='])

export type Gate = (request: FastifyRequest, reply: FastifyReply, wish: Wish) => Promise<string | undefined>

/**
 * Makes the gate of an instance. It gives the user's name (undefined for anonymous) or throws UNAUTHORIZED
 * with one challenge, DENIED, or what the authenticator throws. Without an authenticator nobody logs in.
 */
export async function createGate(
  app: FastifyInstance,
  authenticator: Authenticator | undefined,
  policy: Policy,
): Promise<Gate> {
  const decide = (who: Who, wish: Wish, challenge: string | undefined): string | undefined => {
    if (wish.action === 'public') return undefined
    const decision = policy.decide(who, wish.action, wish.repository)
    if (decision === 'login') throw unauthorized(challenge, wish)
    if (decision === 'deny') throw registryError('DENIED')
    return who === 'anonymous' ? undefined : who.user
  }
  if (authenticator === undefined) return async (_request, _reply, wish) => decide('anonymous', wish, undefined)

  const challenge = `Basic realm="${authenticator.realm}"`
  const users = new WeakMap<FastifyRequest, string>()
  await app.register(fastifyBasicAuth, {
    async validate(user, password, request) {
      // The plugin lets a request in whose validation rejects with undefined: only an Error may leave here.
      const right = await authenticator
        .verify(user, password, request.socket.remoteAddress ?? '')
        .catch((error: unknown) => {
          throw error instanceof RegistryError ? error : registryError('UNAVAILABLE', { cause: error })
        })
      if (!right) throw registryError('UNAUTHORIZED')
      users.set(request, user)
    },
  })
  const check = app.basicAuth.bind(app)

  return async (request, reply, wish) => {
    if (wish.action === 'public') return undefined
    if (NO_LOGIN.has(request.headers.authorization)) {
      const user = decide('anonymous', wish, challenge)
      // Clients of containers/image log in later only if the ping tells them that they can.
      if (wish.action === 'ping') reply.header('www-authenticate', challenge)
      return user
    }
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    check(request, reply, resolve)
    const error = await promise
    if (error instanceof RegistryError && error.code !== 'UNAUTHORIZED') throw error
    const user = users.get(request)
    if (error !== undefined || user === undefined) throw unauthorized(challenge, wish)
    return decide({ user }, wish, challenge)
  }
}

// distribution's detail: what was asked for.
function unauthorized(challenge: string | undefined, { action, repository }: Wish): RegistryError {
  const detail = repository === undefined ? null : [{ Type: 'repository', Class: '', Name: repository, Action: action }]
  return registryError('UNAUTHORIZED', {
    detail,
    ...(challenge === undefined ? {} : { headers: { 'www-authenticate': challenge } }),
  })
}

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

/** The user's name, or undefined for anonymous. */
export type Entry = string | undefined

/**
 * Lets a request in: gives the user, at once where nothing must be waited for (a login that was right a moment ago is
 * the rule, and a promise for each request costs more than looking it up). Throws or rejects with UNAUTHORIZED and
 * one challenge, DENIED, or what the authenticator throws.
 */
export type Gate = (request: FastifyRequest, reply: FastifyReply, wish: Wish) => Entry | Promise<Entry>

// No header at all, or what skopeo sends when it has no login: "Basic " and base64 of ":".
const NO_LOGIN: ReadonlySet<string | undefined> = new Set([undefined, 'Basic Og=='])

/** Makes the gate of an instance. Without an authenticator nobody logs in. */
export async function createGate(
  app: FastifyInstance,
  authenticator: Authenticator | undefined,
  policy: Policy,
): Promise<Gate> {
  const decide = (who: Who, wish: Wish, challenge: string | undefined): Entry => {
    if (wish.action === 'public') return undefined
    const decision = policy.decide(who, wish.action, wish.repository)
    if (decision === 'login') throw unauthorized(challenge, wish)
    if (decision === 'deny') throw registryError('DENIED')
    return who === 'anonymous' ? undefined : who.user
  }
  if (authenticator === undefined) return (_request, _reply, wish) => decide('anonymous', wish, undefined)

  const challenge = `Basic realm="${authenticator.realm}"`
  const users = new WeakMap<FastifyRequest, string>()
  await app.register(fastifyBasicAuth, {
    validate(user, password, request, _reply, done) {
      const enter = (): void => {
        users.set(request, user)
        done()
      }
      if (authenticator.recall(user, password)) {
        enter()
        return
      }
      // The plugin lets in a request whose validation ends without an Error: nothing else may come out of here.
      authenticator.verify(user, password, request.socket.remoteAddress ?? '').then(
        (right) => (right ? enter() : done(registryError('UNAUTHORIZED'))),
        (error: unknown) =>
          done(error instanceof RegistryError ? error : registryError('UNAVAILABLE', { cause: error })),
      )
    },
  })
  const check = app.basicAuth.bind(app)

  const conclude = (request: FastifyRequest, wish: Wish, error: Error | undefined): Entry => {
    if (error instanceof RegistryError && error.code !== 'UNAUTHORIZED') throw error
    const user = users.get(request)
    if (error !== undefined || user === undefined) throw unauthorized(challenge, wish)
    return decide({ user }, wish, challenge)
  }

  return (request, reply, wish) => {
    if (wish.action === 'public') return undefined
    if (NO_LOGIN.has(request.headers.authorization)) {
      const user = decide('anonymous', wish, challenge)
      // Clients of containers/image log in later only if the ping tells them that they can.
      if (wish.action === 'ping') reply.header('www-authenticate', challenge)
      return user
    }
    let answer: { readonly error: Error | undefined } | undefined
    let wait: ((error: Error | undefined) => void) | undefined
    check(request, reply, (error?: Error) => {
      if (wait === undefined) answer = { error }
      else wait(error)
    })
    if (answer !== undefined) return conclude(request, wish, answer.error)
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    wait = resolve
    return promise.then((error) => conclude(request, wish, error))
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

// `tarn cluster doctor`: tries what a node does when it pulls from this registry, from the name to the last component of a
// release, and says of each step how it went.
import { request } from 'node:https'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type { Digest } from '../../oci/digest.ts'
import { hexOf } from '../../oci/digest.ts'
import { UpstreamClient } from '../../upstream/client.ts'
import { openCredentials } from '../../upstream/credentials.ts'
import type { Check } from './check.ts'
import { failed, passed, skipped } from './check.ts'
import type { ConnectionOptions } from './doctor-connection.ts'
import { checkConnection, systemAuthorities } from './doctor-connection.ts'
import type { ImagesOptions } from './doctor-images.ts'
import { checkImages } from './doctor-images.ts'
import type { Login } from './pull-secret.ts'

export interface DoctorOptions extends ConnectionOptions, Pick<ImagesOptions, 'sets' | 'images' | 'release'> {
  readonly login: Login | undefined
  readonly random: (size: number) => Uint8Array
}

const WITHIN_MS = 30_000
const MOST_BYTES = 64 * 1024

/** All checks in their order. Where one fails that the others need, they are left out. */
export async function examine(options: DoctorOptions): Promise<Check[]> {
  const { registry, login, clock } = options
  const { checks, address } = await checkConnection(options)
  if (address === undefined) return [...checks, skipped('pulls', 'not tried: no node would get this far')]
  const ask = (path: string, who?: Login): Promise<Answer> => askOnce(options, address, path, who)
  const answers = await checkLogin(ask, login)
  if (answers.some(({ state }) => state === 'failed')) {
    return [...checks, ...answers, skipped('pulls', 'not tried without a login')]
  }
  const random = (size: number): Buffer => Buffer.from(options.random(size))
  const client = new UpstreamClient({
    host: registry.name,
    ...(options.trust !== undefined && { ca: [options.trust] }),
    ...(login !== undefined && {
      credentials: openCredentials(
        { username: login.user, password: login.password },
        { clock, random, warn: () => undefined },
      ),
    }),
    ...(options.address !== undefined && {
      resolve: (_name, _family, done) => done(null, [{ address, family: address.includes(':') ? 6 : 4 }]),
    }),
    clock,
  })
  try {
    const hasSignature = async (digest: Digest): Promise<boolean | undefined> => {
      const { status } = await ask(`/signatures/openshift/release/sha256=${hexOf(digest)}/signature-1`)
      return status === 200 ? true : status === 404 ? false : undefined
    }
    return [...checks, ...answers, ...(await checkImages({ ...options, client, hasSignature }))]
  } finally {
    await client.close()
  }
}

async function checkLogin(
  ask: (path: string, who?: Login) => Promise<Answer>,
  login: Login | undefined,
): Promise<Check[]> {
  const open = await ask('/v2/')
  const { status, headers, failure } = open
  if (failure !== undefined) return [failed('/v2/', failure, 'see what the registry’s log says of it')]
  if (status !== 200 && status !== 401) {
    return [
      failed('/v2/', `answers ${status}`, 'is this a registry, or what stands before one? /v2/ must reach it as it is'),
    ]
  }
  const challenge = String(headers['www-authenticate'] ?? '')
  const checks = [
    passed('/v2/', status === 200 ? 'is open to everybody' : `asks for a login: ${challenge.split(' ')[0] ?? ''}`),
  ]
  if (login === undefined) {
    if (status === 200) return [...checks, skipped('login', 'none is needed')]
    return [
      ...checks,
      failed(
        'login',
        'the registry asks for one, and none was given',
        'give what nodes use: --pull-secret FILE, --from-cluster, or --user NAME --password-stdin',
      ),
    ]
  }
  if (!/^basic\b/i.test(challenge) && status === 401)
    return [...checks, skipped('login', 'it is tried with the first image: a token is asked for')]
  const answer = await ask('/v2/', login)
  if (answer.status === 200) return [...checks, passed('login', `${login.user} is let in`)]
  return [
    ...checks,
    failed(
      'login',
      answer.failure ?? `${login.user} is not let in (${answer.status})`,
      'let the cluster’s login in again: tarn cluster repair; or give the user this password: tarn user add',
    ),
  ]
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly failure?: string
}

// The login goes to this registry alone: no redirect is followed, and its certificate was found right before.
function askOnce(
  { registry, trust }: DoctorOptions,
  address: string,
  path: string,
  who: Login | undefined,
): Promise<Answer> {
  return new Promise((resolve) => {
    const call = request({
      host: address,
      port: registry.port,
      path,
      ...(isIP(registry.host) === 0 && { servername: registry.host }),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(registry.host, certificate),
      agent: false,
      timeout: WITHIN_MS,
      ca: trust === undefined ? systemAuthorities() : [trust],
      headers: {
        host: registry.name,
        'user-agent': 'tarn-doctor',
        ...(who !== undefined && {
          authorization: `Basic ${Buffer.from(`${who.user}:${who.password}`).toString('base64')}`,
        }),
      },
    })
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, headers: {}, failure: error.code ?? error.message }),
    )
    call.once('response', (response) => {
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size > MOST_BYTES) response.destroy()
      })
      response.once('close', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
    })
    call.end()
  })
}

// The signature store of OpenShift releases: /signatures/openshift/release/sha256=<hex>/signature-<n>. Clusters and oc
// fetch from such stores without any login, and what lies there was public before, so it is open to everybody; whoever
// asks must know the digest. They read signature-1, -2, … until a 404, and take every other failure for one: whatever
// is no signature of ours is 404.
import type { FastifyInstance } from 'fastify'
import { digestOf, joinDigest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { Layout } from '../storage/layout.ts'
import { readSignature } from '../storage/signatures.ts'
import { sendBytes, sendNothing } from './answer.ts'
import { matchesEtag } from './etag.ts'
import type { Gate } from './gate.ts'

const NAME = /^signature-([1-9]\d{0,2})$/

/** Adds the store below the prefix. */
export function addSignatures(app: FastifyInstance, gate: Gate, layout: Layout, prefix: string): void {
  app.route<{ Params: { digest: string; name: string } }>({
    method: ['GET', 'HEAD'],
    url: `${prefix}/signatures/openshift/release/:digest/:name`,
    onRequest: async (request, reply) => void (await gate(request, reply, { action: 'public' })),
    handler: async ({ params, headers }, reply) => {
      const [algorithm = '', hex = ''] = params.digest.split('=')
      const digest = params.digest === `${algorithm}=${hex}` ? joinDigest(algorithm, hex) : undefined
      const number = NAME.exec(params.name)?.[1]
      const bytes = digest && number && readSignature(layout, digest, Number(number))
      if (!bytes) throw registryError('NAME_UNKNOWN', { message: 'no such signature' })
      const etag = digestOf(bytes)
      // A signature can be added at any time, and one that is there stays as it is.
      reply.headers({ etag: `"${etag}"`, 'cache-control': 'no-cache' })
      if (matchesEtag(headers['if-none-match'], etag)) return sendNothing(reply.code(304))
      return sendBytes(reply, 'application/octet-stream', bytes)
    },
  })
}

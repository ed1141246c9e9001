// distribution's habits on which clients lean, beyond the words of the specification: headers, error codes
// and their messages, conditional requests, the stand-in for Docker's manifest lists.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Answer } from '../helpers/client.ts'
import { codeOf, headerOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
  pushBlob,
  pushImage,
  pushManifest,
} from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const { url } = await startTarn(t, { storage: { delete: { enabled: true } } })
const client = openClient({ url })
t.teardown(() => client.close())
const REPO = 'team/app'

interface ErrorCase {
  readonly name: string
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly status: number
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

const NOWHERE = hashOf('nowhere')

const ERRORS: readonly ErrorCase[] = [
  {
    name: 'an unknown tag',
    path: `/v2/${REPO}/manifests/nothing`,
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest unknown',
    detail: { Tag: 'nothing' },
  },
  {
    name: 'a tag of an unknown repository (never NAME_UNKNOWN)',
    path: '/v2/no/such/manifests/latest',
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest unknown',
    detail: { Tag: 'latest' },
  },
  {
    name: 'an unknown manifest digest',
    path: `/v2/${REPO}/manifests/${NOWHERE}`,
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest unknown',
    detail: { Name: REPO, Revision: NOWHERE },
  },
  {
    name: 'an unknown blob',
    path: `/v2/${REPO}/blobs/${NOWHERE}`,
    status: 404,
    code: 'BLOB_UNKNOWN',
    message: 'blob unknown to registry',
    detail: NOWHERE,
  },
  {
    name: 'the tags of an unknown repository',
    path: '/v2/no/such/tags/list',
    status: 404,
    code: 'NAME_UNKNOWN',
    message: 'repository name not known to registry',
    detail: { name: 'no/such' },
  },
  {
    name: 'an unknown upload',
    path: `/v2/${REPO}/blobs/uploads/00000000-0000-4000-8000-000000000000`,
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
    message: 'blob upload unknown to registry',
  },
  {
    name: 'a manifest whose config is not here',
    method: 'PUT',
    path: `/v2/${REPO}/manifests/incomplete`,
    headers: { 'content-type': OCI_MANIFEST },
    body: JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: NOWHERE, size: 7 },
      layers: [],
    }),
    status: 400,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: 'blob unknown to registry',
    detail: NOWHERE,
  },
]

for (const { name, method = 'GET', path, headers = {}, body, status, code, message, detail } of ERRORS) {
  t.test(`${name} is ${status} ${code} as distribution words it`, async (t) => {
    const answer = await client.send(method, path, { headers, ...(body === undefined ? {} : { body }) })
    t.equal(answer.status, status)
    t.equal(headerOf(answer, 'content-type'), 'application/json')
    t.equal(headerOf(answer, 'docker-distribution-api-version'), 'registry/2.0')
    const { errors } = JSON.parse(answer.body.toString()) as {
      errors: { code: string; message: string; detail: unknown }[]
    }
    t.equal(errors[0]?.code, code)
    t.equal(errors[0]?.message, message)
    if (detail !== undefined) t.same(errors[0]?.detail, detail)
    t.equal(answer.body.at(-1), 0x0a, 'the body ends in a newline')
    if (method !== 'GET') return
    const head = await client.send('HEAD', path)
    t.ok(head.status === status || head.status === 405, `HEAD answers ${head.status}`)
    t.equal(head.body.length, 0)
  })
}

t.test('GET /v2/ is {} with the version header', async (t) => {
  const answer = await client.send('GET', '/v2/')
  t.equal(answer.status, 200)
  t.equal(answer.body.toString(), '{}')
  t.equal(headerOf(answer, 'content-length'), '2')
  t.equal(headerOf(answer, 'content-type'), 'application/json')
  t.equal(headerOf(answer, 'docker-distribution-api-version'), 'registry/2.0')
})

t.test('GET / is 200, which load balancers ask for', async (t) => {
  t.equal((await client.send('GET', '/')).status, 200)
})

t.test('a manifest has its type, digest and Etag, and If-None-Match makes it 304', async (t) => {
  const { digest, body } = await pushImage(client, REPO, 'etag', { reference: 'etag' })
  for (const reference of ['etag', digest]) {
    const path = `/v2/${REPO}/manifests/${reference}`
    for (const method of ['GET', 'HEAD']) {
      const answer = await client.send(method, path)
      t.equal(answer.status, 200)
      t.equal(headerOf(answer, 'content-type'), OCI_MANIFEST)
      t.equal(headerOf(answer, 'docker-content-digest'), digest)
      t.equal(headerOf(answer, 'etag'), `"${digest}"`)
      t.equal(headerOf(answer, 'content-length'), String(body.length))
      t.equal(headerOf(answer, 'content-encoding'), '')
      for (const known of [`"${digest}"`, digest, `"other", "${digest}"`]) {
        const same = await client.send(method, path, { headers: { 'if-none-match': known } })
        t.equal(same.status, 304, `${method} with ${known}`)
        t.equal(same.body.length, 0)
      }
      const other = await client.send(method, path, { headers: { 'if-none-match': `"${NOWHERE}"` } })
      t.equal(other.status, 200)
    }
  }
})

t.test('a blob has octet-stream, a year of caching and an Etag, and If-None-Match makes it 304', async (t) => {
  const digest = await pushBlob(client, REPO, randomBytes(100))
  const path = `/v2/${REPO}/blobs/${digest}`
  for (const method of ['GET', 'HEAD']) {
    const answer = await client.send(method, path)
    t.equal(headerOf(answer, 'content-type'), 'application/octet-stream')
    t.match(headerOf(answer, 'cache-control'), /max-age=31536000/)
    t.equal(headerOf(answer, 'accept-ranges'), 'bytes')
    t.equal(headerOf(answer, 'etag'), `"${digest}"`)
    t.equal(headerOf(answer, 'docker-content-digest'), digest)
    t.equal((await client.send(method, path, { headers: { 'if-none-match': `"${digest}"` } })).status, 304)
  }
})

t.test('nothing is content-encoded, whatever the client offers', async (t) => {
  const { digest } = await pushImage(client, REPO, 'plain', { reference: 'plain' })
  const headers = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' }
  for (const path of [
    `/v2/${REPO}/manifests/${digest}`,
    `/v2/${REPO}/tags/list`,
    '/v2/_catalog',
    `/v2/${REPO}/manifests/none`,
  ]) {
    t.equal(headerOf(await client.send('GET', path, { headers }), 'content-encoding'), '', path)
  }
})

t.test('a stored manifest is served whatever known or unknown type the client accepts', async (t) => {
  const { digest, body } = await pushImage(client, REPO, 'accept', { reference: 'accept' })
  for (const accept of [
    undefined,
    '*/*',
    'application/*',
    OCI_INDEX,
    DOCKER_MANIFEST,
    'text/html',
    `${OCI_MANIFEST};q=0.1`,
  ]) {
    for (const reference of ['accept', digest]) {
      const answer = await client.send('GET', `/v2/${REPO}/manifests/${reference}`, {
        headers: accept === undefined ? {} : { accept },
      })
      t.equal(answer.status, 200, `Accept: ${accept}`)
      t.ok(answer.body.equals(body))
    }
  }
})

t.test('a Docker list by tag stands in its linux/amd64 image for clients that know no lists', async (t) => {
  const amd64 = await pushImage(client, REPO, 'amd64', { docker: true })
  const arm64 = await pushImage(client, REPO, 'arm64', { docker: true })
  const list = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_LIST,
      manifests: [
        {
          mediaType: DOCKER_MANIFEST,
          digest: arm64.digest,
          size: arm64.body.length,
          platform: { os: 'linux', architecture: 'arm64' },
        },
        {
          mediaType: DOCKER_MANIFEST,
          digest: amd64.digest,
          size: amd64.body.length,
          platform: { os: 'linux', architecture: 'amd64' },
        },
      ],
    }),
  )
  const { digest } = await pushManifest(client, REPO, DOCKER_LIST, list, 'multi')
  const get = (reference: string, accept: string[]): Promise<Answer> =>
    client.send('GET', `/v2/${REPO}/manifests/${reference}`, { headers: { accept } })
  const old = await get('multi', [DOCKER_MANIFEST])
  t.equal(headerOf(old, 'docker-content-digest'), amd64.digest)
  t.equal(headerOf(old, 'content-type'), DOCKER_MANIFEST)
  t.ok(old.body.equals(amd64.body))
  for (const accept of [
    [DOCKER_LIST],
    [DOCKER_MANIFEST, DOCKER_LIST],
    [`${DOCKER_MANIFEST}, ${DOCKER_LIST}`],
    ['*/*'],
  ]) {
    t.equal(headerOf(await get('multi', accept), 'docker-content-digest'), digest, `Accept: ${accept.join(' | ')}`)
  }
  t.equal(headerOf(await get(digest, [DOCKER_MANIFEST]), 'docker-content-digest'), digest, 'by digest it is itself')
})

t.test('an OCI document without mediaType is served under the type that it was pushed as', async (t) => {
  const config = Buffer.from('{"os":"linux"}')
  const digest = await pushBlob(client, REPO, config)
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length },
    layers: [],
  }
  await pushManifest(client, REPO, OCI_MANIFEST, Buffer.from(JSON.stringify(manifest)), 'typeless')
  await pushManifest(client, REPO, OCI_INDEX, Buffer.from('{"schemaVersion":2,"manifests":[]}'), 'typeless-index')
  t.equal(headerOf(await client.send('GET', `/v2/${REPO}/manifests/typeless`), 'content-type'), OCI_MANIFEST)
  t.equal(headerOf(await client.send('GET', `/v2/${REPO}/manifests/typeless-index`), 'content-type'), OCI_INDEX)
})

t.test('deletion that is not enabled is 405 UNSUPPORTED for tag, manifest and blob', async (t) => {
  const kept = await startTarn(t)
  const client = openClient({ url: kept.url })
  t.teardown(() => client.close())
  const { digest } = await pushImage(client, REPO, 'kept', { reference: 'kept' })
  const blob = await pushBlob(client, REPO, Buffer.from('kept'))
  for (const path of [`manifests/kept`, `manifests/${digest}`, `blobs/${blob}`, `manifests/${NOWHERE}`]) {
    const answer = await client.send('DELETE', `/v2/${REPO}/${path}`)
    t.equal(answer.status, 405, path)
    t.equal(codeOf(answer), 'UNSUPPORTED', path)
  }
  t.equal((await client.send('GET', `/v2/${REPO}/manifests/kept`)).status, 200)
})

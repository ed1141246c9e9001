import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDockerReference } from '../../../src/mirror/policy/docker-reference.ts'
import { parsePolicy, readPolicy, requirementsFor } from '../../../src/mirror/policy/policy.ts'
import { PolicyError } from '../../../src/mirror/policy/policy-error.ts'

const ANYTHING = { type: 'insecureAcceptAnything' }
const REJECT = { type: 'reject' }
const parse = (value: unknown) => parsePolicy(Buffer.from(JSON.stringify(value)), '/etc/containers')

t.test('the narrowest scope decides, then the transport, then the default', async (t) => {
  const scopes = ['quay.io/org/app:1', 'quay.io/org/app', 'quay.io/org', 'quay.io', '*.example.com', '']
  const policy = parse({
    default: [REJECT],
    transports: {
      docker: Object.fromEntries(
        scopes.map((scope) => [scope, [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: `/${scope}` }]]),
      ),
      'docker-daemon': { '': [ANYTHING] },
    },
  })
  const scopeFor = (image: string): string => {
    const [first] = requirementsFor(policy, parseDockerReference(image) ?? { name: '' })
    const [key] = first?.type === 'signedBy' ? first.keys : []
    return key !== undefined && 'path' in key ? key.path.slice(1) : String(first?.type)
  }
  t.equal(scopeFor('quay.io/org/app:1'), 'quay.io/org/app:1')
  t.equal(scopeFor('quay.io/org/app:2'), 'quay.io/org/app')
  t.equal(scopeFor('quay.io/org/other:2'), 'quay.io/org')
  t.equal(scopeFor('quay.io/organic/app:2'), 'quay.io')
  t.equal(scopeFor('a.b.example.com/app:2'), '*.example.com')
  t.equal(scopeFor('elsewhere.org/app:2'), '')
  const bare = parse({ default: [REJECT], transports: { docker: { 'quay.io': [ANYTHING] } } })
  t.same(requirementsFor(bare, { name: 'docker.io/library/x' }), [REJECT])
})

t.test('all kinds of requirements are read, paths from the directory of the policy', async (t) => {
  const { default: list } = parse({
    default: [
      ANYTHING,
      REJECT,
      { type: 'signedBy', keyType: 'GPGKeys', keyPath: 'key.gpg' },
      { type: 'signedBy', keyType: 'GPGKeys', keyPaths: ['/a', '/b'], signedIdentity: { type: 'matchRepository' } },
      { type: 'sigstoreSigned', keyData: Buffer.from('pem').toString('base64') },
      {
        type: 'sigstoreSigned',
        keyPath: '/k',
        signedIdentity: { type: 'remapIdentity', prefix: 'a.b', signedPrefix: 'c.d/e' },
      },
      {
        type: 'sigstoreSigned',
        keyDatas: ['cGVt'],
        signedIdentity: { type: 'exactReference', dockerReference: 'a.b/c:1' },
      },
      { type: 'sigstoreSigned', keyPath: '/k', signedIdentity: { type: 'exactRepository', dockerRepository: 'a.b/c' } },
    ],
  })
  const usual = { type: 'matchRepoDigestOrExact' }
  t.same(list, [
    ANYTHING,
    REJECT,
    { type: 'signedBy', keys: [{ path: '/etc/containers/key.gpg' }], identity: usual },
    { type: 'signedBy', keys: [{ path: '/a' }, { path: '/b' }], identity: { type: 'matchRepository' } },
    { type: 'sigstoreSigned', keys: [{ data: Buffer.from('pem') }], identity: usual },
    {
      type: 'sigstoreSigned',
      keys: [{ path: '/k' }],
      identity: { type: 'remapIdentity', prefix: 'a.b', signedPrefix: 'c.d/e' },
    },
    {
      type: 'sigstoreSigned',
      keys: [{ data: Buffer.from('pem') }],
      identity: { type: 'exactReference', dockerReference: 'a.b/c:1' },
    },
    {
      type: 'sigstoreSigned',
      keys: [{ path: '/k' }],
      identity: { type: 'exactRepository', dockerRepository: 'a.b/c' },
    },
  ])
})

t.test('what is not understood whole is refused, and the place is named', async (t) => {
  const signedBy = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }
  const wrong: [unknown, RegExp][] = [
    [{}, /"default" is missing/],
    [{ default: [] }, /default must be a list with at least one/],
    [{ default: [ANYTHING], more: 1 }, /holds "more"/],
    [{ default: [{ type: 'other' }] }, /default\[0\] is of the type "other"/],
    [{ default: [{ ...REJECT, why: 1 }] }, /default\[0\] holds "why"/],
    [{ default: [{ ...signedBy, keyType: 'X509' }] }, /only GPGKeys/],
    [{ default: [{ ...signedBy, keyData: 'cGVt' }] }, /one of keyPath/],
    [{ default: [{ ...signedBy, keyPath: undefined }] }, /one of keyPath/],
    [{ default: [{ ...signedBy, keyPath: undefined, keyData: '%%' }] }, /base64/],
    [{ default: [{ ...signedBy, keyPath: ['/k'] }] }, /must be one key/],
    [{ default: [{ ...signedBy, signedIdentity: { type: 'matchAll' } }] }, /signedIdentity is of the type "matchAll"/],
    [{ default: [{ ...signedBy, signedIdentity: { type: 'exactReference', dockerReference: 'a.b/c' } }] }, /no tag/],
    [
      { default: [{ ...signedBy, signedIdentity: { type: 'remapIdentity', prefix: 'a.b/c:1', signedPrefix: 'd' } }] },
      /prefix/,
    ],
    [{ default: [REJECT], transports: { docker: { 'quay.io': [] } } }, /docker\["quay\.io"\] must be a list/],
    [{ default: [REJECT], transports: { docker: { '*.a.b/c': [REJECT] } } }, /is no scope/],
    [{ default: [REJECT], transports: { docker: { 'a.*.b': [REJECT] } } }, /is no scope/],
    [
      { default: [{ type: 'sigstoreSigned', keyPath: '/k', rekorPublicKeyPath: '/r' }] },
      /rekorPublicKeyPath cannot be checked/,
    ],
    [{ default: [{ type: 'sigstoreSigned', fulcio: {} }] }, /fulcio cannot be checked/],
  ]
  for (const [value, message] of wrong) t.throws(() => parse(value), message)
  t.throws(() => parsePolicy(Buffer.from('{"default":[],"default":[]}'), '/'), PolicyError)
})

t.test('a policy that cannot be kept stops with the file, the place and a hint', async (t) => {
  const directory = t.testdir({})
  const path = join(directory, 'policy.json')
  t.throws(() => readPolicy(path), { message: /cannot read the policy/, hint: /path/ })
  writeFileSync(path, '{"default":[{"type":"sigstoreSigned","fulcio":{}}]}')
  t.throws(() => readPolicy(path), { message: /default\[0\]\.fulcio/, hint: /offline/, exitCode: 2 })
})

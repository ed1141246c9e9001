// The rows are those of containers-policy.json(5), "signedIdentity".
import t from 'tap'
import type { SignedIdentity } from '../../../src/mirror/policy/identity.ts'
import { matchesIdentity } from '../../../src/mirror/policy/identity.ts'
import { parseDockerReference } from '../../../src/mirror/policy/docker-reference.ts'

const A = `sha256:${'a'.repeat(64)}`
const B = `sha256:${'b'.repeat(64)}`

function rows(rule: SignedIdentity, cases: readonly [asked: string, signed: string, matches: boolean][]): void {
  for (const [asked, signed, matches] of cases) {
    const reference = parseDockerReference(asked)
    if (reference === undefined) throw new Error(asked)
    t.equal(matchesIdentity(rule, reference, signed), matches, `${rule.type}: ${asked} / ${signed}`)
  }
}

t.test('matchExact wants the same tag or the same digest', async () => {
  rows({ type: 'matchExact' }, [
    ['quay.io/a/b:1', 'quay.io/a/b:1', true],
    ['quay.io/a/b:1', 'quay.io/a/b:2', false],
    ['quay.io/a/b:1', 'quay.io/a/b', false],
    ['quay.io/a/b', 'quay.io/a/b', false],
    [`quay.io/a/b@${A}`, `quay.io/a/b@${A}`, true],
    [`quay.io/a/b@${A}`, `quay.io/a/b@${B}`, false],
    [`quay.io/a/b@${A}`, 'quay.io/a/b:1', false],
    ['docker.io/library/busybox:1', 'busybox:1', true],
    ['quay.io/a/b:1', 'not a name', false],
  ])
})

t.test('matchRepoDigestOrExact wants the same tag, and for a digest the same repository', async () => {
  rows({ type: 'matchRepoDigestOrExact' }, [
    ['quay.io/a/b:1', 'quay.io/a/b:1', true],
    ['quay.io/a/b:1', 'quay.io/a/b:2', false],
    ['quay.io/a/b:1', 'quay.io/a/b', false],
    [`quay.io/a/b@${A}`, 'quay.io/a/b:1', true],
    [`quay.io/a/b@${A}`, `quay.io/a/b@${B}`, true],
    [`quay.io/a/b@${A}`, 'quay.io/a/b', false],
    [`quay.io/a/b@${A}`, 'quay.io/a/c:1', false],
    ['quay.io/a/b:1', `quay.io/a/b@${A}`, false],
  ])
})

t.test('matchRepository looks at no tag', async () => {
  rows({ type: 'matchRepository' }, [
    ['quay.io/a/b:1', 'quay.io/a/b:2', true],
    ['quay.io/a/b:1', 'quay.io/a/b', true],
    [`quay.io/a/b@${A}`, 'quay.io/a/b:2', true],
    ['quay.io/a/b:1', 'quay.io/a', false],
    ['quay.io/a/b:1', 'quay.io:443/a/b:1', false],
  ])
})

t.test('exactReference and exactRepository look at no name that was asked for', async () => {
  rows({ type: 'exactReference', dockerReference: 'vendor.io/x:1' }, [
    ['quay.io/a/b:1', 'vendor.io/x:1', true],
    ['quay.io/a/b:1', 'vendor.io/x:2', false],
    ['quay.io/a/b:1', 'vendor.io/x', false],
  ])
  rows({ type: 'exactRepository', dockerRepository: 'vendor.io/x' }, [
    ['quay.io/a/b:1', 'vendor.io/x:9', true],
    ['quay.io/a/b:1', 'vendor.io/x', true],
    ['quay.io/a/b:1', 'vendor.io/y:1', false],
  ])
})

t.test('remapIdentity speaks of the vendor for what lies below the prefix, and of nothing else', async () => {
  rows({ type: 'remapIdentity', prefix: 'mirror.corp/vendor', signedPrefix: 'vendor.io/org' }, [
    ['mirror.corp/vendor/x:1', 'vendor.io/org/x:1', true],
    ['mirror.corp/vendor/x:1', 'vendor.io/org/x:2', false],
    ['mirror.corp/vendor/x:1', 'mirror.corp/vendor/x:1', false],
    ['mirror.corp/vendors/x:1', 'mirror.corp/vendors/x:1', true],
    ['mirror.corp/vendors/x:1', 'vendor.io/orgs/x:1', false],
    [`mirror.corp/vendor/x@${A}`, 'vendor.io/org/x:7', true],
  ])
})

import t from 'tap'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { storeTarget } from '../../../src/exchange/store-target.ts'
import { InfoReportSchema, MirrorReleaseSchema, VerifyReportSchema } from '../../../src/http/api/release-reports.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { describeRelease } from '../../../src/openshift/describe-release.ts'
import { findPayload } from '../../../src/openshift/find-payload.ts'
import { judgeRelease } from '../../../src/openshift/judge-release.ts'
import { mirrorRelease } from '../../../src/openshift/mirror-release.ts'
import type { ReleasePlace } from '../../../src/openshift/release-place.ts'
import { verifyRelease } from '../../../src/openshift/verify-release.ts'
import { buildRelease } from '../../fixtures/release.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import { openRegistry } from '../../helpers/images.ts'
import { sourceOf } from '../../helpers/release-source.ts'

t.test('what is told of releases is what the OpenAPI document says', async (t) => {
  const key = await makeReleaseKey()
  const verification = { stores: ['https://store.test'], keys: [key.publicKey] }
  const release = await buildRelease({
    version: '4.18.3',
    host: 'quay.io',
    components: 3,
    largestBytes: 1000,
    verification,
  })
  const bytes = await key.signRelease(release.digest, release.reference)
  const source = sourceOf(release.placed)
  const from: ReleasePlace = {
    name: release.reference,
    source,
    repository: parseRepositoryName(release.releaseRepository),
    reference: { kind: 'tag', tag: parseTag(release.releaseTag) },
    origin: undefined,
    elsewhere: () => source,
    findSignatures: async () => ({
      signatures: [
        { bytes, from: 'store' },
        { bytes: Buffer.from('x'), from: 'store' },
      ],
      failures: [{ store: 'other', reason: 'away' }],
    }),
  }
  const clock = (): number => Date.now() + 60_000
  const check = (schema: TSchema, report: unknown, what: string): void => {
    const told: unknown = JSON.parse(JSON.stringify(report))
    t.ok(Value.Check(schema, told), `${what}: ${JSON.stringify(Value.Errors(schema, told).slice(0, 3))}`)
  }
  const payload = await findPayload(source, from, from.name)
  const { report: signature } = await judgeRelease(payload, { find: from.findSignatures, now: new Date(clock()) })
  check(InfoReportSchema, describeRelease(from, payload, signature), 'info')
  const target = storeTarget(openRegistry(t.testdir({ data: {} })), 'here')
  const mirrored = await mirrorRelease({
    from,
    target: () => target,
    to: parseRepositoryName('ocp4/openshift4'),
    host: 'mirror.test',
    style: 'auto',
    instructions: 'auto',
    dryRun: false,
    requireSignature: true,
    storeSignature: async () => true,
    clock,
  })
  check(MirrorReleaseSchema, mirrored, 'mirror')
  const lost = release.placed.findIndex(({ repository }) => repository === release.componentRepository)
  const lacking = sourceOf(release.placed.filter((_, index) => index !== lost))
  const place = { ...from, source: lacking, elsewhere: () => lacking }
  const verified = await verifyRelease({ place, style: 'auto', fast: true, requireSignature: true, clock })
  check(VerifyReportSchema, verified, 'verify')
  t.ok(verified.faults.length > 0, 'faults were checked too')
})

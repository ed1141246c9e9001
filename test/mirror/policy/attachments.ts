import t from 'tap'
import { readAttachments } from '../../../src/mirror/policy/attachments.ts'
import { parseDigest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { hashOf } from '../../helpers/digest.ts'
import { OCI_MANIFEST } from '../../helpers/push.ts'
import { catchUpstream, openUpstream, send, startFake } from '../../helpers/upstream.ts'

const IMAGE = parseDigest(hashOf('an image'))

t.test('a manifest of signatures that is none is a fault of the upstream, about this image', async (t) => {
  let body = '{}'
  const fake = await startFake(t, (_request, response) =>
    send(response, 200, { 'content-type': OCI_MANIFEST, 'content-length': String(Buffer.byteLength(body)) }, body),
  )
  const place = {
    client: openUpstream(t, [fake.origin]),
    repository: parseRepositoryName('team/app'),
    signal: new AbortController().signal,
  }
  t.match(await catchUpstream(readAttachments(place, IMAGE)), { kind: 'invalid', message: /its signatures at sha256-/ })
  body = 'no JSON at all'
  t.match(await catchUpstream(readAttachments(place, IMAGE)), { kind: 'invalid' })
})

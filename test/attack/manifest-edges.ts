// At the edge of what a manifest may be: types that no manifest has, and documents that look odd and are fine.
import t from 'tap'
import { codeOf, openClient } from '../helpers/client.ts'
import { attack } from '../helpers/hostile.ts'
import type { Documents } from '../helpers/manifest-text.ts'
import { CONFIG, MIB, ZERO, image, nest } from '../helpers/manifest-text.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, pushBlob } from '../helpers/push.ts'
import { exchange, writeRequest } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

t.test('a Content-Type that is no manifest’s is MANIFEST_INVALID', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  await pushBlob(client, 'a', CONFIG)
  client.close()
  const types = [
    'text/plain',
    'application/json',
    'application/octet-stream',
    `${OCI_MANIFEST}x`,
    `${OCI_MANIFEST}+x`,
    `x${OCI_MANIFEST}`,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_LIST,
    'application/vnd.docker.distribution.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    'multipart/form-data',
  ]
  await attack(
    t,
    tarn,
    types.map((type) => ({
      name: type.slice(0, 60),
      method: 'PUT',
      path: '/v2/a/manifests/typed',
      headers: [`Content-Type: ${type}`],
      body: image(),
      status: [400],
      code: ['MANIFEST_INVALID'],
    })),
  )
})

t.test('a Content-Type that is no media type is refused', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  await pushBlob(client, 'a', CONFIG)
  client.close()
  const types = [
    'application/',
    '/',
    'x',
    '*/*',
    '__proto__',
    `"${OCI_MANIFEST}"`,
    `${OCI_MANIFEST}, ${OCI_INDEX}`,
    `${OCI_INDEX}\t;a`,
    `application/\t${OCI_MANIFEST}`,
    `a/b/c`,
    'é/ü',
    ';',
    'a'.repeat(8000),
  ]
  await attack(
    t,
    tarn,
    types.map((type) => ({
      name: type.slice(0, 60),
      method: 'PUT',
      path: '/v2/a/manifests/typed',
      headers: [`Content-Type: ${type}`],
      body: image(),
      status: [400, 415],
    })),
  )
})

t.test('what only looks odd is taken, byte for byte', async (t) => {
  const { url } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  await pushBlob(client, 'a', CONFIG)
  const fine: Documents = {
    'case variants inside annotations': image('"annotations":{"layers":"1","Layers":"2","Config":"3","DIGEST":"4"}'),
    'case variants of unknown members': image('"x":1,"X":2,"foo":{"Layers":[],"layers":[]}'),
    'unknown members': image('"__proto__":{"layers":[]},"constructor":1,"toString":null,"":[]'),
    'escaped text': image('"annotations":{"\\u0061":"\\ud83d\\ude00\\n"}'),
    '31 levels in an unknown member': image(`"x":${nest(31, '[', ']')}`),
    'white space all over': image().replaceAll(',"', ' ,\n\t"').replaceAll('":', '" : '),
    'four MiB exactly': image(`"x":"${'x'.repeat(4 * MIB - image('"x":""').length)}"`),
    'the same layer a thousand times': image('', ZERO, `[${Array.from({ length: 1000 }, () => ZERO).join()}]`),
    'a size with an exponent': image('', ZERO.replace(`${CONFIG.length}}`, '1.4e1}')),
  }
  for (const [name, body] of Object.entries(fine)) {
    const answer = await client.send('PUT', '/v2/a/manifests/fine', {
      headers: { 'content-type': OCI_MANIFEST },
      body,
    })
    t.equal(answer.status, 201, `${name} ${codeOf(answer)}`)
    t.equal((await client.send('GET', '/v2/a/manifests/fine')).body.toString(), body.toString(), name)
  }
})

t.test('a refusal of a large body reaches a client that is still sending it', async (t) => {
  const tarn = await startTarn(t)
  const bytes = writeRequest(
    'PUT',
    '/v2/a/manifests/large',
    [`Content-Type: ${OCI_MANIFEST}`],
    Buffer.alloc(6 * MIB, ' '),
  )
  for (let at = 0; at < 20; at++) {
    const { answers } = await exchange(tarn.port, bytes)
    t.equal(answers[0]?.status, 413)
  }
})

import t from 'tap'
import { formatImageSource } from '../../../src/config/image-source.ts'
import { readUsedImages } from '../../../src/openshift/cluster/in-use.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const read = (text: string): string[] => readUsedImages(text, 'x').map(formatImageSource)

t.test('a list has one image a line', async (t) => {
  const text = `# in use\nquay.io/org/app@${DIGEST}   etcd\n\nquay.io/org/app@${DIGEST}\nregistry.k8s.io/pause:3.9\nteam/app:1\n`
  t.same(read(text), [`quay.io/org/app@${DIGEST}`, 'registry.k8s.io/pause:3.9'])
})

t.test('pods tell the images of their containers, with what the runtime writes in front', async (t) => {
  const pods = {
    kind: 'List',
    items: [
      {
        metadata: { annotations: { note: 'see quay.io/org/doc:1' } },
        spec: { containers: [{ image: 'quay.io/org/tagged:v1' }, { image: 'alpine' }] },
        status: { containerStatuses: [{ imageID: `docker-pullable://quay.io/org/app@${DIGEST}` }] },
      },
    ],
  }
  t.same(read(JSON.stringify(pods)), ['quay.io/org/tagged:v1', `quay.io/org/app@${DIGEST}`])
})

t.test('a cluster’s version, a release’s references and YAML count too', async (t) => {
  const image = `quay.io/openshift-release-dev/ocp-release@${DIGEST}`
  t.same(read(JSON.stringify({ status: { desired: { image, version: '4.14.1' } } })), [image])
  t.same(
    read(
      JSON.stringify({
        kind: 'ImageStream',
        spec: { tags: [{ name: 'etcd', from: { kind: 'DockerImage', name: image } }] },
      }),
    ),
    [image],
  )
  t.same(read(`kind: Pod\nspec:\n  containers:\n  - image: ${image}\n`), [image])
  t.same(read(''), [])
})

t.test('what is neither is refused', async (t) => {
  t.throws(() => readUsedImages('{"a": [', 'the file'), { name: 'Problem', message: /the file/ })
})

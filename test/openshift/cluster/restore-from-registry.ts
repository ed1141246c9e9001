import t from 'tap'
import { digestOf } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import type { AskRegistry } from '../../../src/openshift/cluster/restore-from-registry.ts'
import { openRegistryPlace } from '../../../src/openshift/cluster/restore-from-registry.ts'
import { UpstreamError } from '../../../src/upstream/upstream-error.ts'

const HERE = digestOf(Buffer.from('here'))
const RELEASE = `quay.io/openshift-release-dev/ocp-release@${digestOf(Buffer.from('release'))}`
const HUB = 'quay.io/openshift-release-dev/ocp-v4.0-art-dev'

function scene(has: readonly string[]) {
  const asked: string[] = []
  const ask: AskRegistry = async (host, repository, reference) => {
    const name = `${host}/${repository}${reference.kind === 'tag' ? `:${reference.tag}` : `@${reference.digest}`}`
    asked.push(name)
    return has.includes(name)
  }
  const look = (text: string, release?: string) => {
    const [host = '', ...path] = text.split('/')
    return openRegistryPlace({ text, host, path: path.join('/') }, ask).look({
      image: `${HUB}@${HERE}`,
      digest: HERE,
      repositories: [parseRepositoryName('ocp4/openshift4')],
      release,
    })
  }
  return { asked, look }
}

t.test('the registry of the image itself is asked for its own name alone', async (t) => {
  const { asked, look } = scene([`${HUB}@${HERE}`])
  t.same(await look('quay.io'), { has: true, command: `tarn sync ${HUB}@${HERE} ocp4/openshift4` })
  t.same(await look('quay.io', RELEASE), { has: true, command: `tarn release mirror ${RELEASE} ocp4/openshift4` })
  t.same(asked, [`${HUB}@${HERE}`, `${HUB}@${HERE}`])
  t.match(await scene([]).look('quay.io'), { has: false })
})

t.test('another registry is asked under the names that mirrors give an image', async (t) => {
  const mirror = `mirror.site:5000/ocp4/openshift4`
  const alone = scene([`${mirror}@${HERE}`])
  t.same(await alone.look('mirror.site:5000', RELEASE), {
    has: true,
    command: `tarn sync ${mirror}@${HERE} ocp4/openshift4`,
  })
  const release = RELEASE.slice(RELEASE.indexOf('@'))
  t.same(await scene([`${mirror}@${HERE}`, `${mirror}${release}`]).look('mirror.site:5000', RELEASE), {
    has: true,
    command: `tarn release mirror ${mirror}${release} ocp4/openshift4`,
  })
  t.match(await scene([`mirror.site:5000/${HUB}@${HERE}`]).look('mirror.site:5000'), { has: true })
  t.match(await scene([`mirror.site:5000/old/mirror@${HERE}`]).look('mirror.site:5000/old/mirror'), { has: true })
  t.match(await scene([`mirror.site:5000/old/${HUB}@${HERE}`]).look('mirror.site:5000/old'), { has: true })
})

t.test('one that does not answer may have it, is asked once, and says why', async (t) => {
  let asked = 0
  const ask: AskRegistry = async () => {
    asked += 1
    throw new UpstreamError('unreachable', 'quay.io cannot be reached')
  }
  const place = openRegistryPlace({ text: 'quay.io', host: 'quay.io', path: '' }, ask)
  const lost = { image: `${HUB}@${HERE}`, digest: HERE, repositories: [], release: undefined }
  for (let times = 0; times < 3; times += 1)
    t.match(await place.look(lost), { has: undefined, why: 'quay.io cannot be reached', command: /REPOSITORY$/ })
  t.equal(asked, 1)
})

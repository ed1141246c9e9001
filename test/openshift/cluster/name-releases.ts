import { rmSync } from 'node:fs'
import t from 'tap'
import { parseDigest } from '../../../src/oci/digest.ts'
import { findMirrored } from '../../../src/openshift/cluster/find-mirrored.ts'
import { nameReleases } from '../../../src/openshift/cluster/name-releases.ts'
import { createLayout } from '../../../src/storage/layout.ts'
import { buildRelease } from '../../fixtures/release.ts'
import { pushMirrored } from '../../helpers/mirrored-release.ts'
import { startTarn } from '../../helpers/server.ts'

t.test('a release from elsewhere is mirrored under the names that its payload says', async (t) => {
  const release = await buildRelease({ version: '4.18.3', host: 'mirror.example.com:8443', components: 4 })
  const { url, data } = await startTarn(t)
  await pushMirrored(release, 'ocp4/openshift4', { url })
  const layout = createLayout(data)
  const found = findMirrored(layout, [])
  t.match(found.releases, [{ repository: 'ocp4/openshift4', tag: '4.18.3-x86_64', components: 'ocp4/openshift4' }])
  const name = 'mirror.example.com:8443/openshift-release-dev'
  t.same((await nameReleases(layout, found)).repositories, [
    { source: `${name}/ocp-release`, repository: 'ocp4/openshift4', release: true, tags: false },
    { source: `${name}/ocp-v4.0-art-dev`, repository: 'ocp4/openshift4', release: true, tags: false },
  ])
  rmSync(layout.blob(parseDigest(release.digest)), { recursive: true })
  t.same(await nameReleases(layout, found), found, 'what cannot be read goes by its tags')
})

import { lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { copyImages } from '../../src/exchange/copy-images.ts'
import { DIR_MODE, dirTarget } from '../../src/exchange/dir-target.ts'
import { writeDirectory } from '../../src/exchange/write-directory.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { buildRelease } from '../fixtures/release.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { openRegistry } from '../helpers/images.ts'
import { sourceOf } from '../helpers/release-source.ts'

const RELEASE = parseRepositoryName('openshift/release')
const TO = parseRepositoryName('ocp4/openshift4')

for (const [version, style, lost] of [
  ['4.4.10', 'plain', true],
  ['4.18.3', 'arch', true],
  ['4.18.3', 'arch', false],
] as const) {
  t.test(
    `a directory of release ${version} comes in ${lost ? 'with the tags that were lost' : 'as it is'}, and is told as oc tells it`,
    async (t) => {
      const release = await buildRelease({ version, host: 'quay.io', largestBytes: 50_000 })
      const tags = release.expectedTags(style)
      const root = t.testdir({ dir: {}, data: {} })
      const path = join(root, 'dir')
      const source = sourceOf(release.placed)
      const target = dirTarget(writeDirectory(path, { mode: DIR_MODE }), undefined, path)
      const images = [...tags].map(([tag, text]) => {
        const digest = parseDigest(text)
        const repository = parseRepositoryName(
          digest === release.digest ? release.releaseRepository : release.componentRepository,
        )
        return {
          from: { repository, reference: { kind: 'digest', digest } as const },
          to: { repository: RELEASE, tags: [parseTag(tag)] },
        }
      })
      t.match(await copyImages({ source, target, images }), { counts: { failed: 0 } })
      const manifests = join(path, 'v2', RELEASE, 'manifests')
      for (const name of lost ? readdirSync(manifests) : []) {
        if (lstatSync(join(manifests, name)).isSymbolicLink()) unlinkSync(join(manifests, name))
      }

      mkdirSync(join(root, 'home'))
      const config = writeHome(join(root, 'home'), join(root, 'data'))
      const { code, stdout, stderr } = await runCommand(['import', `dir:${path}`, TO, '--config', config])
      t.equal(code, 0, stderr + stdout)
      const { store } = openRegistry(join(root, 'data'))
      for (const [tag, digest] of tags) t.equal(store.tags.resolve(TO, parseTag(tag)), digest, tag)
      const [releaseTag] = [...tags].find(([, digest]) => digest === release.digest) ?? ['']
      t.match(stdout, `Success\nUpdate image:  REGISTRY:PORT/${TO}:${releaseTag}\nMirror prefix: REGISTRY:PORT/${TO}\n`)
      t.match(stdout, style === 'plain' ? /imageContentSources:/ : /imageDigestSources:/)
      t.match(stdout, /source: quay\.io\/openshift-release-dev\/ocp-v4\.0-art-dev/)
    },
  )
}

// A sync and a second one: everything is there byte for byte, each blob came once, and nothing comes again.
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { EXTRAS } from './extras.ts'
import type { Source } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, SCALE, UP } from './scene.ts'

export async function checkWhole(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { machine } = context
  const home = await makeSyncHome(context)
  const relay = await source.relay()
  const { planted } = source
  await home.write(relay.url, [`{from: ${UP}, to: lab, repositories: ["team/**"]}`])
  await recorder.check(
    `${SCALE.images} images, ${(planted.bytes / 1e6).toFixed(0)} MB: each blob comes once`,
    async () => {
      const { report } = await home.sync([0])
      require(report.counts['copied'] === SCALE.images, `copied ${report.counts['copied']}`)
      const read = relay.bytesOf('/blobs/')
      context.progress(`sync: ${report.seconds.toFixed(1)} s, ${read} bytes of blobs for ${planted.bytes}`)
      require(read === planted.bytes, `${read} bytes of blobs were read for ${planted.bytes}`)
      require(report.bytes === planted.bytes, `the report says ${report.bytes}`)
      require((await countHere(home, planted)) === SCALE.images, 'not all tags are here')
      await requireSound(home)
    },
  )
  // How long it takes is for the bench to say.
  await recorder.check('a second run makes no request for a blob', async () => {
    relay.clear()
    const { report } = await home.sync([0])
    require(report.counts['here'] === SCALE.images, `here ${report.counts['here']}`)
    require(relay.requestsFor('/blobs/').length === 0, 'a blob was asked for')
  })
  await recorder.check(
    'every tag and child is byte-identical, signatures and what refers to an image are there',
    async () => {
      await home.write(relay.url, [`{from: ${UP}/${EXTRAS}, to: lab/${EXTRAS}}`])
      await home.sync([0])
      const registry = await home.serve()
      const raw = async (base: string, image: string): Promise<Buffer> => {
        const address = `docker://${new URL(base).host}/${image}`
        return (await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', address])).stdout
      }
      const seen = new Set<string>()
      const compare = async (repository: string, reference: string): Promise<void> => {
        if (seen.has(`${repository}${reference}`)) return
        seen.add(`${repository}${reference}`)
        const [theirs, ours] = await Promise.all([
          raw(source.url, `${repository}${reference}`),
          raw(registry.url, `lab/${repository}${reference}`),
        ])
        require(ours.equals(theirs), `${repository}${reference} is another manifest`)
        const { manifests = [] } = JSON.parse(ours.toString()) as { manifests?: { digest: string }[] }
        for (const { digest } of manifests) await compare(repository, `@${digest}`)
      }
      for (const { repository, tag } of planted.images) await compare(repository, `:${tag}`)
      const { tags } = (await (await fetch(`${source.url}/v2/${EXTRAS}/tags/list`)).json()) as { tags: string[] }
      require(tags.length === 4, `the upstream has ${tags.length} tags`)
      for (const tag of tags) await compare(EXTRAS, `:${tag}`)
      const index = (await fetch(`${registry.url}/v2/lab/${EXTRAS}/manifests/multi`, { method: 'HEAD' })).headers.get(
        'docker-content-digest',
      )
      const referrers = (await (await fetch(`${registry.url}/v2/lab/${EXTRAS}/referrers/${index}`)).json()) as {
        manifests: unknown[]
      }
      require(referrers.manifests.length === 1, `${referrers.manifests.length} referrers`)
      context.progress(`${seen.size} manifests are the same on both sides`)
      await registry.stop()
      await home.drop()
    },
  )
}

// Upstreams that lie, lose tags, ask to be left alone, or die: the report names each image, and the rest is there.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Source } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, SCALE, UP } from './scene.ts'

const TEAM = `{from: ${UP}, to: lab, repositories: ["team/**"]}`

export async function checkBroken(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { planted } = source
  await recorder.check('a wrong digest and a vanished tag: named, exit 3, the rest is there', async () => {
    const home = await makeSyncHome(context)
    const relay = await source.relay()
    const [first, second] = planted.images
    if (first === undefined || second === undefined) throw new Error('nothing was planted')
    const path = blobPath(source.data, first.layers.at(-1) ?? '')
    const right = await readFile(path)
    const wrong = Buffer.from(right)
    wrong[wrong.length - 100] = (wrong[wrong.length - 100] ?? 0) ^ 1
    await writeFile(path, wrong)
    relay.answer({ status: 404 }, `/${second.repository}/manifests/${second.tag}`)
    try {
      await home.write(relay.url, [TEAM])
      const { report } = await home.sync([3])
      const failed = report.images.filter(({ result }) => result === 'failed')
      const names = failed.map(({ to, tag }) => `${to}:${tag}`).toSorted()
      const expected = [first, second].map(({ repository, tag }) => `lab/${repository}:${tag}`).toSorted()
      require(names.join() === expected.join(), `failed: ${names.join()}`)
      require(failed.some(({ why }) =>
        /sent bytes that are not/.test(why ?? ''),
      ), `why: ${failed.map(({ why }) => why).join()}`)
      require((await countHere(home, planted)) === SCALE.images - 2, 'the rest is not there')
      await requireSound(home)
    } finally {
      await writeFile(path, right)
    }
    relay.answer(undefined)
    const { report } = await home.sync([0], '--missing')
    require(report.counts['copied'] === 2, `copied ${report.counts['copied']}`)
    require((await countHere(home, planted)) === SCALE.images, 'not all is there')
    await home.drop()
  })
  await recorder.check('a storm of 429: all is there in the end, and no blob came twice', async () => {
    const home = await makeSyncHome(context)
    const relay = await source.relay()
    await home.write(relay.url, [TEAM])
    let isCalm = true
    relay.shape(SCALE.line * 2)
    const storm = setInterval(() => {
      isCalm = !isCalm
      relay.answer(isCalm ? undefined : { status: 429, headers: { 'retry-after': '1' } })
    }, 700)
    try {
      const { report } = await home.sync([0])
      require(report.counts['copied'] === SCALE.images, `copied ${report.counts['copied']}`)
    } finally {
      clearInterval(storm)
    }
    const refused = relay.passed.filter(({ status }) => status === 429).length
    context.progress(`${refused} of ${relay.passed.length} requests were answered with 429`)
    require(refused > 0, 'there was no storm')
    require(relay.bytesOf('/blobs/') === planted.bytes, `${relay.bytesOf('/blobs/')} bytes of blobs`)
    await home.drop()
  })
}

export async function checkDeath(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { planted } = source
  await recorder.check(
    'an upstream that dies at 50 %: named, exit 3, what came is whole, the next run goes on',
    async () => {
      const home = await makeSyncHome(context)
      const relay = await source.relay()
      relay.shape(SCALE.line)
      await home.write(relay.url, [TEAM])
      const died = relay.reached('/blobs/', planted.bytes / 2).then(() => relay.down())
      const { report } = await home.sync([3])
      await died
      const here = await countHere(home, planted)
      const { copied = 0, failed = 0 } = report.counts
      require(here === copied && copied + failed === SCALE.images, `${here} here, ${copied} copied, ${failed} failed`)
      require(copied > 0 && failed > 0, `${copied} copied, ${failed} failed`)
      const unnamed = report.images.filter(({ result, why }) => result === 'failed' && why === undefined)
      require(unnamed.length === 0, 'a failure without a reason')
      await requireSound(home)
      await relay.up()
      relay.shape(undefined)
      const again = await home.sync([0])
      require((await countHere(home, planted)) === SCALE.images, 'not all is there')
      const share = relay.bytesOf('/blobs/') / planted.bytes
      context.progress(
        `died with ${copied} of ${SCALE.images} images, after ${report.seconds.toFixed(0)} s; ${share.toFixed(4)} × the bytes; then ${again.report.bytes} more`,
      )
      require(share <= 1.05, `${share} times the bytes`)
      await home.drop()
    },
  )
}

function blobPath(data: string, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

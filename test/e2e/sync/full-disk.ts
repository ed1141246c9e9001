// A disk that is too small says so before the first byte; one that others fill meanwhile ends the run with exit 1 and leaves
// what is whole.
import { rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Source } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, SCALE, UP } from './scene.ts'

const TEAM = `{from: ${UP}, to: lab, repositories: ["team/**"]}`
const LINK_BYTES = 64 * 1024 * 1024

export async function checkFullDisk(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { machine } = context
  const { planted } = source
  if (process.getuid?.() !== 0) {
    recorder.skip('a disk that fills up', 'only root may mount a tmpfs')
    return
  }
  const disk = await machine.scratch('sync-disk')
  const mount = async (bytes: number): Promise<void> => {
    await machine.run('mount', ['-t', 'tmpfs', '-o', `size=${Math.round(bytes)}`, 'tmpfs', disk])
  }
  const unmount = () => machine.run('umount', [disk])
  await recorder.check('a disk that is too small: said before the first byte, exit 1', async () => {
    await mount(planted.bytes * 0.8)
    try {
      const home = await makeSyncHome(context, join(disk, 'data'))
      const relay = await source.relay()
      await home.write(relay.url, [TEAM])
      const { stderr } = await home.tarn(['sync', 's.yml'], [1])
      require(/there is no room: \d+ bytes are needed/.test(stderr), stderr)
      require(relay.requestsFor('/blobs/').length === 0, 'a blob was asked for')
    } finally {
      await unmount()
    }
  })
  await recorder.check(
    'a disk that fills up: exit 1, named, what is whole is there, and the rest comes when there is room',
    async () => {
      await mount(planted.bytes * 1.5 + LINK_BYTES)
      try {
        const home = await makeSyncHome(context, join(disk, 'data'))
        const relay = await source.relay()
        relay.shape(SCALE.line)
        await home.write(relay.url, [TEAM])
        const filler = join(disk, 'filler')
        const filled = relay.reached('/blobs/', planted.bytes * 0.4).then(async () => {
          const { bavail, bsize } = await statfs(disk)
          await machine.run('fallocate', ['-l', String(Math.floor(bavail * bsize - planted.bytes * 0.2)), filler])
        })
        const { report } = await home.sync([1])
        await filled
        require(report.outcome === 'failed' && /no space/.test(report.fault?.message ?? ''), JSON.stringify(
          report.fault,
        ))
        const here = await countHere(home, planted)
        const { copied = 0, failed = 0 } = report.counts
        require(here === copied &&
          copied > 0 &&
          copied + failed === SCALE.images, `${here} here, ${copied} copied, ${failed} failed`)
        context.progress(`full after ${copied} of ${SCALE.images} images`)
        await rm(filler)
        relay.shape(undefined)
        await requireSound(home)
        await home.sync([0])
        require((await countHere(home, planted)) === SCALE.images, 'not all is there')
        await requireSound(home)
      } finally {
        await unmount()
      }
    },
  )
}

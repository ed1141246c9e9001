// What is looked into where a person names a folder to heal from.
import { symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { openCopies } from '../../../src/storage/check/copies.ts'
import { makeTar } from '../../helpers/make-tar.ts'

t.test('parts of a folder come bundle by bundle; what is not whole or cannot be read is passed over', async (t) => {
  const tar = makeTar([{ name: 'data/x', bytes: 'x' }])
  const parts = [
    'm.part-0001-of-0002.tar',
    'm.part-0002-of-0002.tar',
    'm.part-0001-of-0003.tar',
    'm.part-0002-of-0003.tar',
  ]
  const names = [...parts, 'm.part-0001-of-0002.tar.partial']
  const folder = t.testdir({ media: Object.fromEntries(names.map((name) => [name, tar])), closed: {} })
  // Nobody can open it, not even root.
  for (const place of ['media', 'closed']) symlinkSync('circle', join(folder, place, 'circle'))
  const { tars } = await openCopies([join(folder, 'media')])
  t.same(
    tars.map(({ path }) => basename(path)),
    parts,
  )
  await t.rejects(openCopies([join(folder, 'closed')]), { message: /^cannot read .*closed: ELOOP/ })
})

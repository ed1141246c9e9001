import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listArchives } from '../../src/bundle/archive-files.ts'

t.test('of a directory only bundles are taken, not the program that lies beside them', async (t) => {
  const directory = t.testdir()
  const names = [
    'march.part-0001-of-0002.tar',
    'march.part-0002-of-0002.tar',
    'SHA256SUMS',
    'README.txt',
    'tarn-0.1.0-linux-x64.tar.gz',
    'tarn-0.1.0-linux-arm64.tar.gz',
    'tarn-0.1.0-image-linux-x64.tar',
  ]
  for (const name of names) writeFileSync(join(directory, name), '')
  t.same(
    listArchives([directory]),
    names.slice(0, 2).map((name) => join(directory, name)),
  )
  t.same(listArchives([join(directory, 'tarn-0.1.0-linux-x64.tar.gz')]), [
    join(directory, 'tarn-0.1.0-linux-x64.tar.gz'),
  ])
})

t.test('a directory without a bundle is told', async (t) => {
  const directory = t.testdir({ 'tarn-0.1.0-linux-x64.tar.gz': '' })
  t.throws(() => listArchives([directory]), { message: `there is no bundle in ${directory}` })
})

// Tars of data directories from strangers: each class is refused with a sentence, in no time, and nothing is changed.
import t from 'tap'
import { importData } from '../../src/bundle/import-data.ts'
import { Problem } from '../../src/config/problem.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { inPieces } from '../helpers/data-tar.ts'
import { HOSTILE_TARS } from '../helpers/hostile-archives.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const MOST_MS = 2000

for (const { name, says, make } of HOSTILE_TARS) {
  t.test(`${name} is refused`, async (t) => {
    const directory = t.testdir()
    const context = makeContext(makeStore(directory))
    const before = hashTree(directory)
    const bytes = await make()
    for (const dryRun of [true, false]) {
      const begun = performance.now()
      const error: unknown = await importData(context, inPieces(bytes, 65_536), { dryRun }).catch((e: unknown) => e)
      t.ok(error instanceof Problem || error instanceof RegistryError, 'with words for a person')
      t.match((error as Error).message, says)
      t.ok(performance.now() - begun < MOST_MS, `in less than ${MOST_MS} ms`)
    }
    t.equal(hashTree(directory), before)
  })
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signatureFileName } from '../../src/exchange/signature-config-map.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { keepSignatures } from '../../src/openshift/keep-signatures.ts'

t.test('a later run keeps the signatures of earlier ones, and takes none twice', async (t) => {
  const directory = t.testdir({})
  const digest = digestOf(Buffer.from('a release'))
  const [first, second] = [Buffer.from('first'), Buffer.from('second')]
  t.equal(await keepSignatures(directory)(digest, first), true)
  const again = keepSignatures(directory)
  t.equal(await again(digest, first), false)
  t.equal(await again(digest, second), true)
  const text = readFileSync(join(directory, 'config', signatureFileName(digest)), 'utf8')
  const { binaryData } = JSON.parse(text) as { binaryData: Record<string, string> }
  t.same(
    Object.values(binaryData).map((each) => Buffer.from(each, 'base64').toString()),
    ['first', 'second'],
  )
})

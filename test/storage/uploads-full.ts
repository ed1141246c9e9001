// A disk that fills up in the middle of a chunk, without a disk of our own: a process with a limit to the size of its
// files is told EFBIG by write(2), in the middle of a piece as on a full disk.
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { UploadId } from '../../src/storage/upload-id.ts'
import { A, makeStore, streamOf } from '../helpers/store.ts'

const HELPER = fileURLToPath(new URL('../helpers/store.ts', import.meta.url))
// Blocks of 512 bytes.
const LIMIT = 64

// The signal that comes with the refusal is ignored by Node, and not by the test runner's hooks unless somebody listens.
const SCRIPT = `
import { A, makeStore, streamOf } from ${JSON.stringify(HELPER)}
process.on('SIGXFSZ', () => undefined)
const store = makeStore(process.argv[1])
const key = await store.uploads.begin(A, undefined, 'sha256')
await store.uploads.append(key, { source: streamOf(Buffer.from('hello ')) })
const chunk = { source: streamOf(Buffer.alloc(40_000)), start: 6 }
const { code } = await store.uploads.append(key, chunk).catch((error) => error)
console.log(JSON.stringify({ id: key.id, code, received: store.uploads.received(key) }))
`

t.test('what a chunk took of a disk that it filled is given back, and the upload goes on from there', async (t) => {
  const directory = t.testdir({})
  const limited = `ulimit -f ${LIMIT}; exec "$0" "$@"`
  const node = [process.execPath, '--input-type=module', '-e', SCRIPT, directory]
  const said = execFileSync('sh', ['-c', limited, ...node], { encoding: 'utf8' })
  const { id, code, received } = JSON.parse(said) as { id: UploadId; code: string; received: number }
  t.same({ code, received }, { code: 'EFBIG', received: 6 })

  const store = makeStore(directory)
  t.equal(statSync(store.layout.uploadData(A, id)).size, 6)
  const whole = Buffer.from('hello world')
  const key = store.uploads.find(A, id, undefined)
  let committed: Buffer | undefined
  await store.uploads.finish(
    key,
    digestOf(whole),
    { source: streamOf(Buffer.from('world')), start: 6 },
    async (data) => void (committed = readFileSync(data)),
  )
  t.same(committed, whole)
})

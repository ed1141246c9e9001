import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { appendStream } from '../../src/storage/append.ts'
import { streamOf } from '../helpers/store.ts'

t.test('whatever the sizes of the chunks, the file and the hash get all bytes in order', async (t) => {
  const path = join(t.testdir({}), 'data')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700_000 }), { maxLength: 6 }), async (sizes) => {
      const chunks = sizes.map((size, index) => Buffer.alloc(size, index + 1))
      const handle = await open(path, 'w+')
      try {
        await handle.write('head')
        const hash = createHash('sha256')
        const { written } = await appendStream(handle, 4, streamOf(...chunks), hash)
        const bytes = readFileSync(path)
        const wanted = Buffer.concat(chunks)
        return (
          written === wanted.length &&
          bytes.subarray(4).equals(wanted) &&
          hash.digest('hex') === createHash('sha256').update(wanted).digest('hex')
        )
      } finally {
        await handle.close()
      }
    }),
    { numRuns: 40 },
  )
})

t.test('a write that takes only a part is gone on with', async (t) => {
  const path = join(t.testdir({}), 'data')
  const handle = await open(path, 'w+')
  // A disk that takes seven bytes at a time.
  const slow = {
    async write(bytes: Uint8Array, offset: number, length: number, at: number) {
      return handle.write(bytes, offset, Math.min(length, 7), at)
    },
  } as unknown as FileHandle
  await appendStream(slow, 0, streamOf(Buffer.from('0123456789'), Buffer.from('abcdefghij')), undefined)
  await handle.close()
  t.equal(readFileSync(path, 'utf8'), '0123456789abcdefghij')
})

t.test('a disk that refuses is an error of its own', async (t) => {
  const full = {
    async write() {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    },
  } as unknown as FileHandle
  const chunks = [Buffer.alloc(600_000), Buffer.alloc(600_000), Buffer.alloc(1)]
  await t.rejects(appendStream(full, 0, streamOf(...chunks), undefined), { code: 'ENOSPC' })
})

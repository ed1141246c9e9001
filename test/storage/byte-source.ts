// Bytes of a file, in pieces and into a place of one's own.
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FileSource, hashSource } from '../../src/storage/byte-source.ts'

const BYTES = randomBytes(3_000_001)

t.test('pieces and places share what comes next', async (t) => {
  const path = join(t.testdir(), 'file')
  writeFileSync(path, BYTES)
  const source = new FileSource(path)
  const parts: Buffer[] = []
  for await (const piece of source) {
    parts.push(Buffer.from(piece))
    const into = Buffer.alloc(1000)
    parts.push(into.subarray(0, await source.readInto(into)))
  }
  t.ok(Buffer.concat(parts).equals(BYTES))
})

t.test('the hash is the same, whichever way the bytes come', async (t) => {
  const path = join(t.testdir(), 'file')
  writeFileSync(path, BYTES)
  const hex = createHash('sha256').update(BYTES).digest('hex')
  const source = new FileSource(path)
  t.equal(await hashSource(source, 'sha256'), hex)
  for await (const piece of source) t.fail(`${piece.byteLength} bytes after the end`)
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < BYTES.byteLength; at += 99_999) yield BYTES.subarray(at, at + 99_999)
  }
  t.equal(await hashSource(pieces(), 'sha256'), hex)
})

t.test('a file that is not there is told by the system', async (t) => {
  const source = new FileSource(join(t.testdir(), 'none'))
  await t.rejects(source.readInto(Buffer.alloc(1)), { code: 'ENOENT' })
})

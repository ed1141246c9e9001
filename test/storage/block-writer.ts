// Large buffers in turn: all bytes, in their order, however they come, and none that changes while somebody has it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BlockWriter } from '../../src/storage/block-writer.ts'
import { FileSource } from '../../src/storage/byte-source.ts'

const MEBIBYTE = 1024 * 1024

/** Bytes that are different at every place. */
const makeBytes = (size: number): Buffer => {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(at, at)
  return bytes
}

const collect = () => {
  const chunks: Buffer[] = []
  const writer = new BlockWriter(async (chunk) => {
    // Whoever takes it may be slow: it must not change until then.
    const seen = Buffer.from(chunk)
    await new Promise((resolve) => setImmediate(resolve))
    if (!seen.equals(chunk)) throw new Error('the buffer changed too early')
    chunks.push(seen)
  })
  return { chunks, writer }
}

t.test('bytes of a file and of a stream come out in their order', async (t) => {
  const bytes = makeBytes(7 * MEBIBYTE + 123)
  const path = join(t.testdir(), 'file')
  writeFileSync(path, bytes)
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += 70_001) yield bytes.subarray(at, at + 70_001)
  }
  for (const source of [new FileSource(path), pieces()]) {
    const { chunks, writer } = collect()
    await writer.putAll(source)
    await writer.end()
    t.ok(Buffer.concat(chunks).equals(bytes))
    // Closes the file.
    for await (const more of source) t.fail(`${more.byteLength} bytes more`)
  }
})

t.test('it goes on with other bytes after an end', async (t) => {
  const { chunks, writer } = collect()
  for (const text of ['one', 'two']) {
    await writer.put(Buffer.from(text))
    await writer.end()
  }
  t.same(chunks.map(String), ['one', 'two'])
})

t.test('what the sink throws is thrown, and nothing is left unhandled', async (t) => {
  const writer = new BlockWriter(async () => {
    throw new Error('no room')
  })
  const all = async (): Promise<void> => {
    for (let at = 0; at < 10; at += 1) await writer.put(Buffer.alloc(MEBIBYTE))
    await writer.end()
  }
  await t.rejects(all(), { message: 'no room' })
  await t.rejects(writer.end(), { message: 'no room' })
})

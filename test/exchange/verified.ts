import { Readable } from 'node:stream'
import t from 'tap'
import { verified } from '../../src/exchange/verified.ts'
import { digestOf } from '../../src/oci/digest.ts'

const BYTES = Buffer.from('what is said to be here')
const blob = { mediaType: 'application/octet-stream', digest: digestOf(BYTES), size: BYTES.length }

async function read(stream: Readable): Promise<{ readonly bytes: Buffer; readonly error?: Error }> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of stream) pieces.push(piece as Buffer)
    return { bytes: Buffer.concat(pieces) }
  } catch (error) {
    return { bytes: Buffer.concat(pieces), error: error as Error }
  }
}

const inPieces = (...pieces: readonly string[]): Readable =>
  Readable.from(
    pieces.map((piece) => Buffer.from(piece)),
    { objectMode: false },
  )

t.test('right bytes pass, and are counted', async (t) => {
  let count = 0
  const onBytes = (more: number): void => void (count += more)
  const { bytes, error } = await read(verified(inPieces('what is said', '', ' to be here'), blob, { onBytes }))
  t.equal(error, undefined)
  t.same(bytes, BYTES)
  t.equal(count, BYTES.length)
})

t.test('the end of wrong bytes never comes out', async (t) => {
  const wrong: readonly (readonly string[])[] = [
    ['what is said', ' to be herE'],
    ['what is said', ' to be'],
    ['what is said', ' to be here', '!'],
    ['WHAT is said to be here'],
    [],
  ]
  for (const pieces of wrong) {
    const { bytes, error } = await read(verified(inPieces(...pieces), blob))
    t.match(error, { name: 'WrongBytes', message: blob.digest })
    t.ok(bytes.length < BYTES.length, pieces.join('|'))
  }
})

t.test('an empty blob is one', async (t) => {
  const empty = { ...blob, digest: digestOf(Buffer.alloc(0)), size: 0 }
  t.same(await read(verified(inPieces(), empty)), { bytes: Buffer.alloc(0) })
})

t.test('who leaves before the first byte closes the source', async (t) => {
  const source = inPieces('never read')
  const stream = verified(source, blob)
  stream.destroy()
  await new Promise((resolve) => source.once('close', resolve))
  t.ok(source.destroyed)
})

t.test('what breaks the source breaks the stream', async (t) => {
  const source = new Readable({ read: () => void source.destroy(new Error('the disk is gone')) })
  t.match((await read(verified(source, blob))).error, { message: 'the disk is gone' })
})

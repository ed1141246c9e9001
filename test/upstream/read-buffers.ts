import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { ReadBuffers } from '../../src/upstream/read-buffers.ts'

const MIB = 1024 * 1024

/** A connection that reads into `buffers`, and the other end of it. */
async function link(t: Test, buffers: ReadBuffers): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    onread: buffers.forConnection(),
  })
  const [far] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}

/** Sends `length` bytes, each piece handed to `take` with its place. */
async function send(
  { near, far }: { near: Socket; far: Socket },
  length: number,
  take: (piece: Buffer, at: number) => void,
): Promise<void> {
  const whole = Promise.withResolvers<void>()
  let at = 0
  const onData = (piece: Buffer): void => {
    take(piece, at)
    at += piece.length
    if (at === length) whole.resolve()
  }
  near.on('data', onData)
  for (let sent = 0; sent < length; sent += MIB) far.write(pattern(sent, Math.min(MIB, length - sent)))
  await whole.promise
  near.off('data', onData)
}

/** Bytes that tell where they belong. */
function pattern(from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i += 1) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 255
  return bytes
}

t.test('memory of which every byte was given back is read into again, and the bytes are right', async (t) => {
  const buffers = new ReadBuffers()
  const both = await link(t, buffers)
  const memories = new Set<ArrayBufferLike>()
  let wrong = 0
  await send(both, 32 * MIB, (piece, at) => {
    if (!piece.equals(pattern(at, piece.length))) wrong += 1
    memories.add(piece.buffer)
    buffers.free(piece)
  })
  t.equal(wrong, 0)
  const bytes = [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0)
  t.ok(bytes <= 8 * MIB, `${bytes} bytes of memory for 32 MiB`)
})

t.test('what somebody still looks at does not change', async (t) => {
  const buffers = new ReadBuffers()
  const both = await link(t, buffers)
  const kept: { piece: Buffer; at: number }[] = []
  await send(both, 16 * MIB, (piece, at) => {
    // All but the last byte of it is given back.
    buffers.free(piece.subarray(0, -1))
    kept.push({ piece, at })
  })
  t.ok(kept.every(({ piece, at }) => piece.equals(pattern(at, piece.length))))
})

t.test('two connections of one upstream do not read into the same memory', async (t) => {
  const buffers = new ReadBuffers()
  const [one, two] = [await link(t, buffers), await link(t, buffers)]
  let wrong = 0
  const pull = (both: { near: Socket; far: Socket }): Promise<void> =>
    send(both, 16 * MIB, (piece, at) => {
      setImmediate(() => {
        if (!piece.equals(pattern(at, piece.length))) wrong += 1
        buffers.free(piece)
      })
    })
  await Promise.all([pull(one), pull(two)])
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(wrong, 0)
})

t.test('small reads share memory', async (t) => {
  const buffers = new ReadBuffers()
  const { near, far } = await link(t, buffers)
  const memories = new Set<ArrayBufferLike>()
  for (let i = 0; i < 20; i += 1) {
    far.write('some words')
    const [piece] = (await once(near, 'data')) as [Buffer]
    t.equal(piece.toString(), 'some words')
    memories.add(piece.buffer)
  }
  t.equal(memories.size, 1)
})

t.test('bytes of other memory are let be', async (t) => {
  t.doesNotThrow(() => new ReadBuffers().free(Buffer.from('strange')))
})

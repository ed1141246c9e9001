// Hashes in a thread: in their order, of memory that is shared and memory that is not, one after the other.
import { createHash } from 'node:crypto'
import t from 'tap'
import { HashThread } from '../../src/storage/hash-thread.ts'

const hashOf = (algorithm: string, ...pieces: readonly Uint8Array[]): string => {
  const hash = createHash(algorithm)
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

t.test('pieces of shared memory and of other are hashed in the order in which they were given', async (t) => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  const shared = Buffer.from(new SharedArrayBuffer(4096)).fill('s')
  const own = Buffer.alloc(1000, 'o')
  for (const algorithm of ['sha256', 'sha512'] as const) {
    thread.start(algorithm)
    await Promise.all([thread.update(shared.subarray(10, 300)), thread.update(own), thread.update(shared)])
    t.equal(await thread.digest(), hashOf(algorithm, shared.subarray(10, 300), own, shared))
  }
})

t.test('what was taken of a file that was given up is no part of the next', async (t) => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  thread.start('sha256')
  await thread.update(Buffer.from('of a file that broke off'))
  thread.start('sha256')
  await thread.update(Buffer.from('next'))
  t.equal(await thread.digest(), hashOf('sha256', Buffer.from('next')))
})

t.test('a memory that may change is free when update says so', async (t) => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  const shared = Buffer.from(new SharedArrayBuffer(64 * 1024))
  thread.start('sha256')
  for (const letter of ['a', 'b', 'c']) {
    shared.fill(letter)
    await thread.update(shared)
  }
  t.equal(await thread.digest(), hashOf('sha256', ...['a', 'b', 'c'].map((letter) => Buffer.alloc(64 * 1024, letter))))
})

t.test('a thread that ended answers nobody', async (t) => {
  const thread = new HashThread()
  thread.start('sha256')
  await thread.update(Buffer.from('x'))
  await thread.close()
  await t.rejects(thread.digest(), { message: /ended/ })
})

import t from 'tap'
import { ExpectedBytes } from '../../src/exchange/expected-bytes.ts'
import { digestOf } from '../../src/oci/digest.ts'

const blob = (name: string, size: number) => ({ mediaType: 'x', digest: digestOf(Buffer.from(name)), size })
const [a, b, c] = [blob('a', 100), blob('b', 10), blob('c', 1)]

t.test('each blob counts once, until it is known that none of it is needed', async (t) => {
  const expected = new ExpectedBytes()
  expected.add([a, b])
  expected.add([b, c])
  t.equal(expected.total, 111)
  expected.spare(b)
  expected.spare(b)
  t.equal(expected.total, 101, 'it was there')
  expected.moved(a.digest)
  expected.leave([a, b])
  t.equal(expected.total, 101, 'bytes that went over stay')
  expected.leave([b, c])
  t.equal(expected.total, 100, 'an image that is done needs nothing more')
  expected.spare(a)
  t.equal(expected.total, 100)
})

t.test('a blob that another image needs too is still expected', async (t) => {
  const expected = new ExpectedBytes()
  expected.add([a])
  expected.add([a])
  expected.leave([a])
  t.equal(expected.total, 100)
  expected.leave([a])
  t.equal(expected.total, 0)
})

import t from 'tap'
import {
  bitString,
  boolean,
  explicit,
  implicit,
  octetString,
  oid,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from '../../src/tls/der.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

t.test('writes integers in the fewest bytes that keep them positive', (t) => {
  t.equal(hex(unsignedInteger(Buffer.from([0]))), '020100')
  t.equal(hex(unsignedInteger(Buffer.from([0x7f]))), '02017f')
  t.equal(hex(unsignedInteger(Buffer.from([0x80]))), '02020080')
  t.equal(hex(unsignedInteger(Buffer.from([0, 0, 1, 2]))), '02020102')
  t.equal(hex(unsignedInteger(Buffer.alloc(0))), '020100')
  t.end()
})

t.test('writes lengths in the short form to 127 and in the shortest long form from 128 on', (t) => {
  t.equal(hex(octetString(Buffer.alloc(127)).subarray(0, 3)), '047f00')
  t.equal(hex(octetString(Buffer.alloc(128)).subarray(0, 4)), '04818000')
  t.equal(hex(octetString(Buffer.alloc(256)).subarray(0, 5)), '0482010000')
  t.equal(hex(octetString(Buffer.alloc(65_536)).subarray(0, 6)), '048301000000')
  t.end()
})

t.test('writes object identifiers with arcs of more than seven bits', (t) => {
  t.equal(hex(oid('1.2.840.10045.4.3.2')), '06082a8648ce3d040302')
  t.equal(hex(oid('2.5.29.17')), '0603551d11')
  t.end()
})

t.test('writes UTCTime to 2049 and GeneralizedTime from 2050 on', (t) => {
  t.equal(
    time(Date.UTC(2049, 11, 31, 23, 59, 59))
      .toString('latin1')
      .slice(2),
    '491231235959Z',
  )
  t.equal(
    time(Date.UTC(2050, 0, 1))
      .toString('latin1')
      .slice(2),
    '20500101000000Z',
  )
  t.equal(time(Date.UTC(2050, 0, 1))[0], 0x18)
  t.end()
})

t.test('writes strings, truth values, collections and tags', (t) => {
  t.equal(hex(utf8String('é')), '0c02c3a9')
  t.equal(hex(boolean(true)), '0101ff')
  t.equal(hex(bitString(Buffer.from([0x80]), 7)), '03020780')
  t.equal(hex(sequence(boolean(false), set())), '30050101003100')
  t.equal(hex(explicit(3, boolean(true))), 'a3030101ff')
  t.equal(hex(implicit(7, Buffer.from([127, 0, 0, 1]))), '87047f000001')
  t.end()
})

import t from 'tap'
import { parseBytes, parseRoom } from '../../src/config/bytes.ts'

const AMOUNTS: readonly (readonly [string, number | undefined])[] = [
  ['0', 0],
  ['1024', 1024],
  ['20MB', 20_000_000],
  ['20 MB/s', 20_000_000],
  ['1.5GiB', 1_610_612_736],
  ['3tib', 3_298_534_883_328],
  ['', undefined],
  ['MB', undefined],
  ['-1', undefined],
  ['1e9', undefined],
  ['5 apples', undefined],
  ['99999999TB', undefined],
]

for (const [text, bytes] of AMOUNTS) {
  t.test(`"${text}" is ${bytes === undefined ? 'no amount' : `${bytes} bytes`}`, async (t) => {
    t.equal(parseBytes(text), bytes)
  })
}

const MOST = Number.MAX_SAFE_INTEGER
const ROOMS: readonly (readonly [string, { share: number; bytes: number } | undefined])[] = [
  ['5%', { share: 0.05, bytes: MOST }],
  ['10GiB', { share: 1, bytes: 10_737_418_240 }],
  ['5% 1GiB', { share: 0.05, bytes: 1_073_741_824 }],
  ['1GiB 5%', { share: 0.05, bytes: 1_073_741_824 }],
  ['0', { share: 1, bytes: 0 }],
  ['101%', undefined],
  ['a lot', undefined],
  ['5% 1GiB 3', undefined],
]

for (const [text, room] of ROOMS) {
  t.test(`"${text}" is ${room === undefined ? 'no room' : 'room'}`, async (t) => {
    t.same(parseRoom(text), room)
  })
}

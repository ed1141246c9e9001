import t from 'tap'
import { Window } from '../../src/mirror/window.ts'

/** Pushes pieces of these texts and tells which of them were freed. */
function fill(window: Window, ...texts: string[]): string[] {
  const freed: string[] = []
  for (const text of texts) window.push(Buffer.from(text), () => freed.push(text))
  return freed
}

const look = (window: Window, position: number, most = 100): string | undefined => {
  const held = window.hold(position, most)
  held?.release()
  return held && Buffer.from(held.bytes).toString()
}

t.test('bytes are found by their offset in the blob, from the middle of a piece as well', async (t) => {
  const window = new Window(10, 100)
  fill(window, 'abc', 'de', 'fghi')
  t.equal(window.end, 19)
  t.equal(look(window, 10), 'abc')
  t.equal(look(window, 11), 'bc')
  t.equal(look(window, 13), 'de')
  t.equal(look(window, 18), 'i')
  t.equal(look(window, 15, 2), 'fg')
  t.equal(look(window, 9), undefined)
  t.equal(look(window, 19), undefined)
})

t.test('nothing that is not on the disk goes, and of the rest a little stays', async (t) => {
  const window = new Window(0, 4)
  const freed = fill(window, 'abc', 'de', 'fghi')
  window.trim(0)
  t.same(freed, [])
  window.trim(3)
  t.same(freed, ['abc'])
  window.trim(4)
  t.same(freed, ['abc'])
  window.trim(9)
  t.same(freed, ['abc', 'de'])
  t.equal(look(window, 4), undefined)
  t.equal(look(window, 5), 'fghi')
})

t.test('where nobody follows nothing stays that is on the disk', async (t) => {
  const window = new Window(0, 4)
  const freed = fill(window, 'abc', 'de', 'fghi')
  window.trim(5, false)
  t.same(freed, ['abc', 'de'])
  t.equal(look(window, 5), 'fghi')
})

t.test('what somebody looks at is freed when the last one let go, once', async (t) => {
  const window = new Window(0, 0)
  const freed = fill(window, 'abc')
  const [one, two] = [window.hold(0, 3), window.hold(1, 1)]
  window.trim(3)
  t.equal(window.hold(0, 3), undefined)
  one?.release()
  t.same(freed, [])
  t.equal(Buffer.from(two?.bytes ?? []).toString(), 'b')
  two?.release()
  t.same(freed, ['abc'])
})

t.test('all of it goes at the end', async (t) => {
  const window = new Window(0, 100)
  const freed = fill(window, 'abc', 'de')
  window.clear()
  t.same(freed, ['abc', 'de'])
  t.equal(look(window, 0), undefined)
  t.equal(window.end, 5)
})

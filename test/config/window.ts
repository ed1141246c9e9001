import t from 'tap'
import { isOpen, parseWindows } from '../../src/config/window.ts'

function openAt(text: string, minutes: readonly number[]): boolean[] {
  const windows = parseWindows(text) ?? []
  return minutes.map((minute) => isOpen(windows, minute))
}

t.test('a window holds its first minute and not its last, over midnight too', async (t) => {
  t.same(openAt('09:30-10:00', [569, 570, 599, 600]), [false, true, true, false])
  t.same(openAt('22:00-06:00', [1319, 1320, 1439, 0, 359, 360]), [false, true, true, true, true, false])
  t.same(openAt('00:00-24:00', [0, 1439]), [true, true])
})

t.test('one of several windows is enough, and without any it is always open', async (t) => {
  t.same(openAt('12:00-13:00, 22:00-06:00', [719, 720, 780, 1320]), [false, true, false, true])
  t.ok(isOpen([], 0))
})

t.test('what is no window, or an empty one, is refused', async (t) => {
  for (const text of ['', '22-6', '22:00', '24:00-06:00', '22:60-23:00', '22:00-24:01', '22:00-22:00', '22:00-06:00,'])
    t.equal(parseWindows(text), undefined, text)
})

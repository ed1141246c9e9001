// Times of the day at which something may run: `22:00-06:00`, several with a comma, in local time.

/** Minutes since midnight; `to` is not part of it, and before `from` when the window goes over midnight. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Reads windows; undefined when the text is none, or when one of them is empty. */
export function parseWindows(text: string): readonly Window[] | undefined {
  const windows: Window[] = []
  for (const part of text.split(',')) {
    const [, ...fields] = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/u.exec(part.trim()) ?? []
    const [fromHour = 99, fromMinute = 99, toHour = 99, toMinute = 99] = fields.map(Number)
    const [from, to] = [fromHour * 60 + fromMinute, toHour * 60 + toMinute]
    if (fromMinute > 59 || toMinute > 59 || from >= DAY || to > DAY || from === to) return undefined
    windows.push({ from, to })
  }
  return windows
}

/** Whether the minute of the day lies in one of the windows; without any it always does. */
export function isOpen(windows: readonly Window[], minute: number): boolean {
  if (windows.length === 0) return true
  return windows.some(({ from, to }) => (from < to ? minute >= from && minute < to : minute >= from || minute < to))
}

const DAY = 24 * 60

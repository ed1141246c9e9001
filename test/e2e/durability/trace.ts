// Reads the log of `strace -f -y -o FILE`: one event per entry into and per return from a system call, in
// the order in which strace saw them. Knows nothing of files or registries.

export interface SystemCall {
  readonly pid: string
  readonly name: string
  /** Entry, return, or both at once where nothing else came between. Arguments are whole at return only. */
  readonly phase: 'enter' | 'exit' | 'whole'
  readonly args: readonly string[]
  /** What stands after "=": a number, perhaps a path in <>, or -1 and the error. Empty at entry. */
  readonly result: string
  /** Number of the line in the log, for messages. */
  readonly line: number
}

const LINE = /^(\d+)\s+(.*)$/
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/
const CALL = /^(\w+)\((.*)$/
const UNFINISHED = / ?<unfinished \.\.\.>$/
// The last " = result" of the line; strace pads the "=" to a column.
const END = /^(.*)\)\s+= (.*)$/

/** Gives the events of a log; lines that are no system call (signals, exits) are passed over. */
export function* readTrace(text: string): Generator<SystemCall> {
  const begun = new Map<string, { name: string; text: string }>()
  let line = 0
  for (const raw of text.split('\n')) {
    line++
    const [, pid = '', rest = ''] = LINE.exec(raw) ?? []
    const resumed = RESUMED.exec(rest)
    if (resumed !== null) {
      const { name, text: before } = begun.get(pid) ?? { name: resumed[1] ?? '', text: '' }
      begun.delete(pid)
      const ended = END.exec(before + (resumed[2] ?? ''))
      if (ended === null) continue
      yield {
        pid,
        name,
        phase: 'exit',
        args: splitArguments(ended[1] ?? ''),
        result: ended[2] ?? '',
        line,
      }
      continue
    }
    const call = CALL.exec(rest)
    if (call === null) continue
    const [, name = '', body = ''] = call
    if (UNFINISHED.test(body)) {
      const before = body.replace(UNFINISHED, '')
      begun.set(pid, { name, text: before })
      yield { pid, name, phase: 'enter', args: splitArguments(before), result: '', line }
      continue
    }
    const ended = END.exec(body)
    if (ended === null) continue
    yield {
      pid,
      name,
      phase: 'whole',
      args: splitArguments(ended[1] ?? ''),
      result: ended[2] ?? '',
      line,
    }
  }
}

/** Splits at the commas that stand in no string, list or path decoration. */
export function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let isQuoted = false
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (isQuoted) {
      if (character === '\\') at++
      else if (character === '"') isQuoted = false
    } else if (character === '"') isQuoted = true
    else if ('([{<'.includes(character)) depth++
    else if (')]}>'.includes(character)) {
      // "->" in the decoration of a socket closes nothing.
      if (text[at - 1] !== '-') depth--
    } else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  const last = text.slice(start).trim()
  if (last !== '') parts.push(last)
  return parts
}

/** The path or socket that `-y` writes after a descriptor: `5</data/x>` gives `/data/x`. */
export function decorationOf(argument: string | undefined): string | undefined {
  const found = /^(?:-?\d+|AT_FDCWD)<(.*)>(?:\(deleted\))?$/.exec(argument ?? '')
  return found?.[1]
}

/** The text of a quoted argument; strace's octal and letter escapes of ASCII paths are undone. */
export function unquote(argument: string | undefined): string {
  const inner = /^"(.*)"(?:\.\.\.)?$/.exec(argument ?? '')?.[1] ?? ''
  return inner.replace(/\\(x[0-9a-f]{2}|[0-7]{1,3}|.)/g, (_whole, escape: string) => {
    if (escape.startsWith('x')) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    if (/^[0-7]/.test(escape)) return String.fromCharCode(Number.parseInt(escape, 8))
    return ({ n: '\n', r: '\r', t: '\t' } as Record<string, string>)[escape] ?? escape
  })
}

export function succeeded(call: SystemCall): boolean {
  return call.phase !== 'enter' && !call.result.startsWith('-1') && !call.result.startsWith('?')
}

// Takes a password from a person or a program. It never comes from an argument (everybody can read those with ps) and
// never shows on the terminal.
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Problem } from '../config/problem.ts'
import type { CommandContext } from './context.ts'

const LONGEST_LINE = 4_096

/** The first line of stdin. Throws a Problem when there is none. */
export async function readPassword({ stdin }: Pick<CommandContext, 'stdin'>): Promise<string> {
  let text = ''
  stdin.setEncoding('utf8')
  for await (const part of stdin) {
    text += String(part)
    if (text.includes('\n') || text.length > LONGEST_LINE) break
  }
  const line = text.split('\n', 1)[0]?.replace(/\r$/, '') ?? ''
  if (line !== '') return line
  throw new Problem('--password-stdin found no password on stdin', {
    hint: 'as in: tarn user add NAME --password-stdin < FILE',
    exitCode: 2,
  })
}

/** Asks twice on the terminal, without echo. Throws a Problem when the two differ, or when it is broken off. */
export async function askPassword(context: Pick<CommandContext, 'stdin' | 'stderr'>): Promise<string> {
  const first = await askOnce('Password: ', context)
  const second = await askOnce('Password again: ', context)
  if (first === second) return first
  throw new Problem('the two passwords differ', { hint: 'try again; nothing was changed' })
}

function askOnce(prompt: string, { stdin, stderr }: Pick<CommandContext, 'stdin' | 'stderr'>): Promise<string> {
  return new Promise((resolve, reject) => {
    // readline does the editing of the line; what it would show goes nowhere.
    const nowhere = new Writable({ write: (_bytes, _encoding, done) => done() })
    const reader = createInterface({ input: stdin, output: nowhere, terminal: true, historySize: 0 })
    let line: string | undefined
    reader.once('line', (text) => {
      line = text
      reader.close()
    })
    reader.once('SIGINT', () => reader.close())
    reader.once('close', () => {
      stderr.write('\n')
      if (line === undefined) reject(new Problem('no password was given', { hint: 'nothing was changed' }))
      else resolve(line)
    })
    stderr.write(prompt)
  })
}

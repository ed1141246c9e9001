// A fake `oc` on the path of the test: a script that prints what a cluster's answers look like, for the questions that it
// knows. It stands for the program alone; what is done with the answers is real.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'

/** Puts it in front of everything until `t` ends; answers by the words of the question, `get pods -A -o json`. */
export function fakeOc(t: Pick<Test, 'teardown'>, directory: string, answers: Readonly<Record<string, unknown>>): void {
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  const cases = Object.entries(answers).map(([question, answer], index) => {
    const file = join(bin, `answer-${index}.json`)
    writeFileSync(file, JSON.stringify(answer))
    return `'${question}') cat '${file}';;`
  })
  const unknown = `*) echo "Error from server (NotFound): $*" >&2; exit 1;;`
  const script = ['#!/bin/sh', 'case "$*" in', ...cases, unknown, 'esac', ''].join('\n')
  writeFileSync(join(bin, 'oc'), script)
  chmodSync(join(bin, 'oc'), 0o755)
  const before = process.env['PATH'] ?? ''
  process.env['PATH'] = `${bin}${delimiter}${before}`
  t.teardown(() => {
    process.env['PATH'] = before
  })
}

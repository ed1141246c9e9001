// Globs over names of repositories and tags, the one rule for all of Tarn: `*` stands for anything but "/", `**` for
// anything, `?` for one character, `{a,b}` and `[a-z]` as in a shell.
import { posix } from 'node:path'

const SPECIAL = /[*?{[\]}!]/

/** Whether the text has a character that means something in a glob. */
export function isGlob(text: string): boolean {
  return SPECIAL.test(text)
}

/** Makes the test whether a text matches `glob`; a glob without special characters matches itself alone. */
export function compileGlob(glob: string): (text: string) => boolean {
  if (!isGlob(glob)) return (text) => text === glob
  if (glob === '**') return () => true
  return (text) => posix.matchesGlob(text, glob)
}

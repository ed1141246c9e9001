// Regular expressions of the configuration (`validation.manifests.urls`), written for Go's RE2. What RE2 and
// JavaScript do not share is refused at start: a pattern must never silently mean something else here.

/** Compiles a pattern of RE2's common ground; undefined when JavaScript cannot keep its meaning. */
export function compilePattern(text: string): RegExp | undefined {
  const leading = /^\(\?([ims]+)\)/u.exec(text)
  const body = leading === null ? text : text.slice(leading[0].length)
  // RE2 lets any punctuation be escaped; JavaScript's strict mode only its own. \xHH is the same character in both.
  const portable = body.replaceAll(/\\(.)/gsu, (whole, char: string) =>
    /[ !"#%&',\-:;<=>@_`~]/u.test(char) ? `\\x${(char.codePointAt(0) as number).toString(16).padStart(2, '0')}` : whole,
  )
  // (?P<name>…) is RE2's older spelling of a named group.
  try {
    return new RegExp(portable.replaceAll('(?P<', '(?<'), `u${[...new Set(leading?.[1])].join('')}`)
  } catch {
    return undefined
  }
}

// What anybody could have written (labels, annotations, media types, names of files) must not reach a terminal as it is:
// a control character there moves the cursor, hides lines or sets the title. Never for JSON and for raw bytes.

// C0, DEL and C1; and what turns the direction of writing, which makes one text look like another.
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
// oxlint-disable-next-line no-control-regex
const UNSAFE_IN_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

const NAMES: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

/** `text` in one line, with `\n`, `\x1b`, `\u202e` in the place of what a terminal would act on. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escape)
}

/** The same for a text that was laid out already: its line feeds and tabs are its own. */
export function printableLines(text: string): string {
  return text.replace(UNSAFE_IN_LINES, escape)
}

/** What is wrong with a file, in one line: its name may have been anybody's to choose. */
export function describeProblem({ path, what }: { readonly path: string; readonly what: string }): string {
  return `${printable(path)}: ${printable(what)}`
}

function escape(character: string): string {
  const code = character.charCodeAt(0)
  return NAMES[character] ?? (code < 0x100 ? `\\x${toHex(code, 2)}` : `\\u${toHex(code, 4)}`)
}

function toHex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

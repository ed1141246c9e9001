// The Link header of paged lists (RFC 8288, distribution-spec "Listing Tags"). Of a stranger's link only the query is
// used (R27): host and path stay those of our own request, whatever it says.

const MOST_CHARACTERS = 8192

/** The query of the link to the next page, with its "?"; undefined when there is none. Linear in time. */
export function readNextQuery(header: readonly string[]): string | undefined {
  for (const line of header) {
    if (line.length > MOST_CHARACTERS) continue
    for (const [, target = '', parameters = ''] of line.matchAll(/<([^<>]*)>([^<>,]*)/g)) {
      if (!/;[ \t]*rel[ \t]*=[ \t]*"?next"?[ \t]*(?:;|$)/i.test(parameters)) continue
      const query = URL.parse(target, 'http://ignored.invalid/')?.search
      return query === undefined || query === '' ? undefined : query
    }
  }
  return undefined
}

// The name of a registry as image names have it: HOST or HOST:PORT.

/** The name in lower case; undefined when `text` is none. */
export function readRegistryHost(text: string): string | undefined {
  const host = text.toLowerCase()
  const [, name, port] = /^(\[[\da-f:.]+\]|[a-z\d](?:[a-z\d.-]*[a-z\d])?)(:\d{1,5})?$/u.exec(host) ?? []
  const url = name === undefined ? null : URL.parse(`https://${name}${port ?? ''}`)
  // What the parser spells otherwise (0x7f.1, a port of 70000) would never equal what clients say.
  return url !== null && url.hostname === name ? host : undefined
}

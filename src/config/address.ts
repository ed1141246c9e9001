// Listening addresses as Go's net.Listen takes them in `http.addr`: `:5000`, `host:5000`, `[::1]:5000`. It must
// never resolve a name.

/** Where to listen; without `host`, on every interface. */
export interface ListenAddress {
  readonly host?: string
  readonly port: number
}

const FORM = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]/@]*)):(\d{1,5})$/u

/** Reads `:PORT`, `HOST:PORT` or `[IPV6]:PORT`; undefined when `text` is none. Port 0 means any free one. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = FORM.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  if (port > 65_535) return undefined
  const host = match[1] ?? match[2]
  return host === undefined || host === '' ? { port } : { host, port }
}

// Blobs through curl, one stream or many; what curl says of its own speed is what counts. Logins go to curl
// by its standard input, never onto its command line.
import type { Machine } from '../../e2e/helpers/machine.ts'
import type { LargeFile } from './fixture.ts'
import { beginUpload, REPOSITORY } from './fixture.ts'
import type { Peer } from './peers.ts'

export interface Transfer {
  /** Millions of bytes per second. */
  readonly rate: number
  /** `1.1` or `2`. */
  readonly version: string
}

const LIMIT_MS = 600_000

/** Fetches the blob once; curl negotiates the protocol unless `http11`. Throws when a byte is missing. */
export async function fetchBlob(machine: Machine, peer: Peer, blob: LargeFile, http11: boolean): Promise<Transfer> {
  const url = urlOf(peer, blob)
  const lines = [...optionsOf(peer), ...(http11 ? ['http1.1'] : []), `url = "${url}"`, 'output = "/dev/null"']
  const { text } = await runCurl(machine, [
    ...lines,
    'write-out = "%{http_code} %{size_download} %{time_total} %{http_version}"',
  ])
  return readFigures(text, '200', blob.size)
}

/** Pushes the file as one PUT; the time ends with the 201. Throws when it was not taken. */
export async function pushBlob(machine: Machine, peer: Peer, file: LargeFile): Promise<Transfer> {
  const url = await beginUpload(peer, file.digest)
  const lines = [
    ...optionsOf(peer),
    `url = "${url}"`,
    `upload-file = "${file.path}"`,
    'header = "Content-Type: application/octet-stream"',
    'output = "/dev/null"',
    'write-out = "%{http_code} %{size_upload} %{time_total} %{http_version}"',
  ]
  const { text } = await runCurl(machine, lines)
  return readFigures(text, '201', file.size)
}

/** Fetches the blob over `streams` connections at once; gives millions of bytes per second of all together. */
export async function fetchAtOnce(machine: Machine, peer: Peer, blob: LargeFile, streams: number): Promise<number> {
  const one = [`url = "${urlOf(peer, blob)}"`, 'output = "/dev/null"']
  const lines = [
    ...optionsOf(peer),
    'http1.1',
    'parallel',
    'parallel-immediate',
    `parallel-max = ${streams}`,
    'write-out = "%{http_code} %{size_download}\\n"',
    ...Array.from({ length: streams }, () => one).flat(),
  ]
  const began = performance.now()
  const { text } = await runCurl(machine, lines)
  const seconds = (performance.now() - began) / 1000
  const whole = text.split('\n').filter((line) => line === `200 ${blob.size}`).length
  if (whole !== streams) throw new Error(`only ${whole} of ${streams} streams of ${peer.name} came whole`)
  return (blob.size * streams) / seconds / 1e6
}

function urlOf(peer: Peer, blob: LargeFile): string {
  return `${peer.url}/v2/${REPOSITORY}/blobs/${blob.digest}`
}

function optionsOf({ login, ca }: Peer): string[] {
  return [
    'silent',
    'show-error',
    ...(login === undefined ? [] : [`user = "${login.user}:${login.password}"`]),
    ...(ca === undefined ? [] : [`cacert = "${ca.path}"`]),
  ]
}

function runCurl(machine: Machine, lines: readonly string[]) {
  return machine.run('curl', ['--disable', '--config', '-'], { input: `${lines.join('\n')}\n`, timeout: LIMIT_MS })
}

function readFigures(text: string, status: string, size: number): Transfer {
  const [code, bytes, seconds, version = ''] = text.split(' ')
  if (code !== status || Number(bytes) !== size) {
    throw new Error(`a transfer of ${size} bytes ended with ${code} after ${bytes} bytes`)
  }
  return { rate: size / Number(seconds) / 1e6, version }
}

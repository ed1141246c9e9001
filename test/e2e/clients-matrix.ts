// The client matrix: its axes, the cells that cannot be and why, and the table that run.ts prints.

import { FORMATS, isList, isZstd, type Fixture, type Format } from './helpers/image-fixture.ts'
import type { Output } from './helpers/machine.ts'
import type { Row } from './helpers/suite.ts'

export const CLIENTS = ['podman', 'skopeo', 'buildah', 'docker', 'ctr'] as const
export type ClientName = (typeof CLIENTS)[number]

export const ACTS = ['push', 'pull'] as const
export type Act = (typeof ACTS)[number]

export const TRANSPORTS = ['plain http', 'TLS + htpasswd + private CA'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** A real client, logged in to one registry where that asks for a login. */
export interface Client {
  name: ClientName
  /** Pushes the fixture to `image` (HOST:PORT/NAME:TAG); gives the digest that the client names. */
  push(fixture: Fixture, image: string): Promise<string>
  /** Pulls `image` into an empty store; gives the digest that the client names. */
  pull(image: string): Promise<string>
  /** Tries to pull without knowing the private CA; gives how that ended. */
  pullWithoutCa(image: string): Promise<Output>
}

export interface Cell {
  client: ClientName
  act: Act
  format: Format
  transport: Transport
}

/** The name of a cell's row; the table finds its cells by it. */
export function nameCell(cell: Cell): string {
  return `${cell.client} ${cell.act} ${cell.format} over ${cell.transport}`
}

/** Why a cell cannot be, or undefined when it must pass. */
export function explainImpossible(cell: Omit<Cell, 'transport'>): string | undefined {
  if (cell.client !== 'docker') return undefined
  if (cell.act === 'push') {
    return cell.format.startsWith('oci') ? 'docker 20.10 pushes Docker schema 2 only, never OCI manifests' : undefined
  }
  return isZstd(cell.format) ? 'docker 20.10 cannot unpack zstd layers ("archive/tar: invalid tar header")' : undefined
}

const HEADINGS: Record<Format, string> = {
  docker: 'schema2',
  'docker-list': 'schema2 multi',
  oci: 'OCI',
  'oci-index': 'OCI multi',
  'oci-zstd': 'OCI zstd',
  'oci-zstd-index': 'OCI zstd multi',
}

/** Draws the matrix from the rows of the clients suite, with a footnote for each impossible cell. */
export function drawMatrix(rows: readonly Row[]): string {
  const results = new Map(rows.map((row) => [row.name, row.result]))
  const notes: string[] = []
  const draw = (cell: Cell): string => {
    const reason = explainImpossible(cell)
    if (reason === undefined) return results.get(nameCell(cell)) ?? 'NOT RUN'
    if (!notes.includes(reason)) notes.push(reason)
    return `cannot be [${notes.indexOf(reason) + 1}]`
  }
  const table = [['client', 'act', 'over', ...FORMATS.map((format) => HEADINGS[format])]]
  for (const client of CLIENTS) {
    for (const transport of TRANSPORTS) {
      for (const act of ACTS) {
        const cells = FORMATS.map((format) => draw({ client, act, format, transport }))
        table.push([client, act, transport, ...cells])
      }
    }
  }
  return [...alignColumns(table), ...notes.map((note, at) => `[${at + 1}] ${note}`)].join('\n')
}

/** Whether a pushed manifest is what the format promises: right type, and zstd layers where asked. */
export function checkShape(format: Format, mediaType: string, layerTypes: readonly string[]): void {
  const family = format.startsWith('oci') ? '.oci.' : '.docker.'
  const kind = isList(format) ? /index|manifest\.list/ : /manifest\.v[12]\+json$/
  if (!mediaType.includes(family) || !kind.test(mediaType)) throw new Error(`${format} arrived as ${mediaType}`)
  const odd = layerTypes.filter((type) => type.endsWith('zstd') !== isZstd(format))
  if (odd.length > 0 || layerTypes.length === 0)
    throw new Error(`${format} arrived with layers ${layerTypes.join(', ')}`)
}

function alignColumns(table: readonly string[][]): string[] {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table.map((row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`)
}

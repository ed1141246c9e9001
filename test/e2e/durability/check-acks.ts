// The checker of I3: reads a trace of a whole server life and says, for each acknowledging answer, what a
// power cut at the moment of its first byte could have taken away. It trusts nothing but system calls.
import type { Loss } from './file-model.ts'
import type { FileModel } from './file-model.ts'
import type { SystemCall } from './trace.ts'
import { decorationOf, readTrace, succeeded, unquote } from './trace.ts'

export interface Ack {
  /** For example `PUT /v2/a/blobs/uploads/…?digest=…`; `unknown` when no request was seen on that socket. */
  readonly request: string
  readonly status: number
  readonly losses: readonly Loss[]
}

/** The calls that strace must show for this checker; without network calls no answer is seen. */
export const TRACED_CALLS = [
  'open',
  'openat',
  'creat',
  'mkdir',
  'mkdirat',
  'unlink',
  'unlinkat',
  'rmdir',
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'symlink',
  'symlinkat',
  'truncate',
  'ftruncate',
  'fallocate',
  'copy_file_range',
  'sendfile',
  'splice',
  'write',
  'pwrite64',
  'writev',
  'pwritev',
  'pwritev2',
  'fsync',
  'fdatasync',
  'read',
  'readv',
  'recvfrom',
  'recvmsg',
  'sendto',
  'sendmsg',
  'io_uring_setup',
].join(',')

const RECEIVES = new Set(['read', 'readv', 'recvfrom', 'recvmsg'])
const SENDS = new Set(['write', 'writev', 'sendto', 'sendmsg'])
// Where a request begins; its end may be cut off, strace shows the first bytes only.
const REQUEST = /^((?:GET|HEAD|POST|PUT|PATCH|DELETE) \/\S*)/
// At the front of a buffer or of the first of several.
const STATUS = /^[^"]{0,40}"HTTP\/1\.1 (\d{3})/

/**
 * Checks the trace `text` of a server on the data directory that `model` has seen before the start. Gives the
 * answers that promise durability (201 to anything, 202 to a DELETE) in their order; `inspect` may add what
 * it finds wrong at the moment of the answer with that number.
 * Throws when the server does I/O that a trace cannot show (io_uring).
 */
export function checkAcks(text: string, model: FileModel, inspect: (ack: number) => Loss[]): Ack[] {
  const acks: Ack[] = []
  const requests = new Map<string, string>()
  const firstBytes = new Map<string, string>()
  for (const call of readTrace(text)) {
    // libuv's other ring, without this flag, only tells the kernel which sockets to watch.
    if (call.name === 'io_uring_setup' && call.args.join().includes('IORING_SETUP_SQPOLL')) {
      throw new Error('the server writes files through io_uring, which a trace does not show')
    }
    const socket = socketOf(call)
    if (socket === undefined) {
      model.take(call)
    } else if (RECEIVES.has(call.name) && call.phase !== 'enter') {
      // Go reads the first byte of a next request by itself, while it still answers the last one.
      const text = (firstBytes.get(socket) ?? '') + unquote(call.args[1])
      const request = REQUEST.exec(text)?.[1]
      if (request !== undefined) requests.set(socket, request)
      if (call.result === '1') firstBytes.set(socket, text)
      else if (succeeded(call)) firstBytes.delete(socket)
    } else if (SENDS.has(call.name) && call.phase !== 'exit') {
      // The moment at which the call begins: from here on the client may know.
      const status = Number(STATUS.exec(call.args[1] ?? '')?.[1] ?? 0)
      const request = requests.get(socket) ?? 'unknown'
      if (status === 201 || (status === 202 && request.startsWith('DELETE '))) {
        acks.push({ request, status, losses: [...model.takeLosses(), ...inspect(acks.length)] })
      }
    }
  }
  return acks
}

function socketOf(call: SystemCall): string | undefined {
  const decoration = decorationOf(call.args[0])
  return decoration !== undefined && /^(?:socket|TCP|TCPv6):/.test(decoration) ? decoration : undefined
}

/**
 * Nothing is promised about an upload session's own files: POST and PATCH promise only that Range tells what
 * is there, and its removal may come after the answer. (Its data must be fsynced before it is renamed to
 * be a blob; the model sees to that.) What lies in `.tarn/cache` and `.tarn/tmp` may be deleted at rest, and
 * the lock and keeper.json speak of a process that is gone after a power cut.
 */
export function isExempt(root: string, path: string): boolean {
  const inside = path.slice(root.length)
  return (
    /\/_uploads(?:\/|$)/.test(inside) ||
    /^\/\.tarn(?:$|\/(?:cache|tmp)(?:\/|$)|\/keeper\.json|\/lock-\d+(?:-journal|-wal|-shm)?$)/.test(inside)
  )
}

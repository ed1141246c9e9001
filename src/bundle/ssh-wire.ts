// Strings and integers of the SSH protocol (RFC 4251 section 5), in which public keys and signatures are written.
import { makeFlaw } from './flaw.ts'

/** A string: its length, then its bytes. */
export function writeString(value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  return Buffer.concat([length, bytes])
}

/** An mpint that is not negative, of its big-endian bytes: no zero too many in front, one where the sign would be. */
export function writeMpint(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const rest = first < 0 ? new Uint8Array(0) : bytes.subarray(first)
  return writeString((rest[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), rest]) : rest)
}

/** Reads one value after the other. Throws a flaw at bytes that are cut short. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(): number {
    return this.bytes(4).readUInt32BE()
  }

  string(): Buffer {
    return this.bytes(this.number())
  }

  text(): string {
    return this.string().toString('latin1')
  }

  /** The bytes of an mpint, without zeros in front. Throws a flaw for a negative one. */
  mpint(): Buffer {
    const bytes = this.string()
    if ((bytes[0] ?? 0) >= 0x80) throw makeFlaw('a number of an SSH key or signature is negative')
    const first = bytes.findIndex((byte) => byte !== 0)
    return first < 0 ? bytes.subarray(0, 0) : bytes.subarray(first)
  }

  bytes(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.byteLength) throw makeFlaw('an SSH key or signature is cut short')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  /** All that is left. */
  rest(): Buffer {
    return this.bytes(this.#bytes.byteLength - this.#at)
  }

  /** Throws a flaw when something is left. */
  end(): void {
    if (this.#at < this.#bytes.byteLength) throw makeFlaw('an SSH key or signature is followed by other bytes')
  }
}

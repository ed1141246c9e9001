// Writes DER (X.690), the little of it that certificates need. It never reads DER.

type Bytes = Uint8Array

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const

function encode(tag: number, ...contents: readonly Bytes[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), encodeLength(content.length), content])
}

function encodeLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}

export function sequence(...items: readonly Bytes[]): Buffer {
  return encode(TAG.sequence, ...items)
}

export function set(...items: readonly Bytes[]): Buffer {
  return encode(TAG.set, ...items)
}

export function boolean(value: boolean): Buffer {
  return encode(TAG.boolean, Buffer.from([value ? 0xff : 0]))
}

/** A non-negative INTEGER from its big-endian bytes, in the fewest bytes that keep it non-negative (X.690 §8.3). */
export function unsignedInteger(bytes: Bytes): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const rest = bytes.subarray(start)
  return encode(
    TAG.integer,
    ...((rest[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []),
    rest.length === 0 ? Buffer.from([0]) : rest,
  )
}

/** A BIT STRING of whole bytes; `unusedBits` of the last one do not count. */
export function bitString(bytes: Bytes, unusedBits = 0): Buffer {
  return encode(TAG.bitString, Buffer.from([unusedBits]), bytes)
}

export function octetString(bytes: Bytes): Buffer {
  return encode(TAG.octetString, bytes)
}

export function utf8String(text: string): Buffer {
  return encode(TAG.utf8String, Buffer.from(text))
}

/** An OBJECT IDENTIFIER from its dotted form (X.690 §8.19). */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80)
    return groups
  })
  return encode(TAG.oid, Buffer.from(bytes))
}

/** A Time of whole seconds: UTCTime to the end of 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
export function time(milliseconds: number): Buffer {
  const date = new Date(milliseconds)
  const text = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  return date.getUTCFullYear() < 2050
    ? encode(TAG.utcTime, Buffer.from(text.slice(2)))
    : encode(TAG.generalizedTime, Buffer.from(text))
}

/** A context-specific tag around a whole value: `[number] EXPLICIT`. */
export function explicit(number: number, content: Bytes): Buffer {
  return encode(0xa0 | number, content)
}

/** A context-specific tag in the place of a primitive value's own: `[number] IMPLICIT`. */
export function implicit(number: number, content: Bytes): Buffer {
  return encode(0x80 | number, content)
}

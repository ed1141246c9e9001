// What may be a password or a user name, and how new passwords and hashes are made. Hashes are made only by
// commands; the server only checks them, in a worker (bcrypt-worker.ts).
import { compare, hash } from 'bcryptjs'
import { Problem } from '../config/problem.ts'

// bcrypt looks at the first 72 bytes only, and some implementations stop at a NUL: two passwords would be one (R38).
const LONGEST_BYTES = 72
const COST = 10

// 32 characters without look-alikes: 5 bits each, so that a random byte maps to one without bias.
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'
const GENERATED_LENGTH = 24

/** Whether bcrypt tells `password` from every other one: 1 to 72 bytes of UTF-8 without NUL. */
export function isPassword(password: string): boolean {
  const bytes = Buffer.byteLength(password)
  return bytes > 0 && bytes <= LONGEST_BYTES && !password.includes('\0')
}

/** Whether `name` can stand in an htpasswd line and in a Basic login (RFC 7617 §2: no colon, no control character). */
export function isUserName(name: string): boolean {
  return name.length > 0 && Buffer.byteLength(name) <= 255 && name.trim() === name && !/^#|[:\p{Cc}]/u.test(name)
}

/** Gives `name` back; throws a Problem when it cannot be a user's name. */
export function parseUserName(name: string): string {
  if (isUserName(name)) return name
  throw new Problem('this cannot be the name of a user', {
    hint: 'use 1 to 255 bytes without ":", control characters and surrounding blanks, not beginning with "#"',
    exitCode: 2,
  })
}

/** The bcrypt hash (cost 10, 60 characters) of `password`; throws a Problem when bcrypt could not hold it. */
export async function hashPassword(password: string): Promise<string> {
  if (!isPassword(password)) {
    throw new Problem('this password cannot be used', {
      hint: `use 1 to ${LONGEST_BYTES} bytes without NUL: bcrypt would not look at the rest`,
      exitCode: 2,
    })
  }
  return hash(password, COST)
}

/** Whether `password` is the one of a bcrypt hash; for commands, since it computes on the event loop. */
export async function matchesHash(password: string, bcrypt: string): Promise<boolean> {
  return isPassword(password) && compare(password, bcrypt)
}

/** A new password of 120 bits; `random` gives that many random bytes. */
export function makePassword(random: (size: number) => Uint8Array): string {
  return Array.from(random(GENERATED_LENGTH), (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('')
}

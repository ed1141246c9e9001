// Acts as a user who may not read what others closed: root may read everything.

const NOBODY = 65_534

/** Does `act` without the rights of root; a test that is not run as root has none. */
export function asNobody<T>(act: () => T): T {
  if (process.geteuid?.() !== 0) return act()
  process.seteuid?.(NOBODY)
  try {
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

// Go's durations (`168h`, `1m30s`), the form of every time in distribution's config.yml, to and from
// milliseconds. It must never guess a unit: a number without one is not a duration.

const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

// The grammar of Go's time.ParseDuration. The two mu signs are U+00B5 and U+03BC, as there.
const WHOLE = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/u
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu

/** The milliseconds that a duration of Go says; undefined when `text` is none. `0` needs no unit. */
export function parseDuration(text: string): number | undefined {
  if (/^[-+]?0$/u.test(text)) return 0
  if (!WHOLE.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(PART)) {
    total += Number(amount) * (MILLISECONDS[unit as string] as number)
  }
  // A sum of fractions is rounded to the nanosecond, which is all that Go's type holds.
  const rounded = Number(total.toFixed(6))
  return text.startsWith('-') ? -rounded : rounded
}

/** Writes milliseconds as the shortest duration that parseDuration reads back: `168h`, `1m30s`, `1.5ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let rest = Math.abs(milliseconds)
  let out = milliseconds < 0 ? '-' : ''
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) out += `${count}${unit}`
    rest -= count * size
  }
  const fraction = Number(rest.toFixed(6))
  if (fraction >= 1) return `${out}${fraction}ms`
  return fraction > 0 ? `${out}${Math.round(fraction * 1e6)}ns` : out
}

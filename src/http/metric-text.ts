// Prometheus' text exposition format, version 0.0.4, for numbers that are asked for at each scrape. A number that is
// not known is left out: 0 would be a lie.

export interface MetricSample {
  /** `name="value",…`; values come from fixed sets and need no escapes. */
  readonly labels?: string
  readonly value: number | undefined
}

export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly samples: readonly MetricSample[]
}

/** Writes the families that have a number. */
export function renderFamilies(families: readonly MetricFamily[]): string {
  return families
    .map(({ name, help, type, samples }) => {
      const lines = samples
        .filter(({ value }) => value !== undefined)
        .map(({ labels, value }) => `${name}${labels === undefined ? '' : `{${labels}}`} ${writeNumber(value ?? 0)}\n`)
      return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
    })
    .join('')
}

/** A gauge of one number. */
export function gauge(name: string, help: string, value: number | undefined): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] }
}

function writeNumber(value: number): string {
  return value === Infinity ? '+Inf' : String(value)
}

// One check of `tarn cluster doctor`: what was tried, how it went, and what to do about it. Pure.

export interface Check {
  readonly name: string
  /** `skipped` where what it needs was not given. */
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly what: string
  readonly hint?: string
}

export const passed = (name: string, what: string): Check => ({ name, state: 'ok', what })
export const failed = (name: string, what: string, hint: string): Check => ({ name, state: 'failed', what, hint })
export const warned = (name: string, what: string, hint: string): Check => ({ name, state: 'warning', what, hint })
export const skipped = (name: string, what: string): Check => ({ name, state: 'skipped', what })

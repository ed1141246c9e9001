// The protections of collection that can be left out, one at a time (serve-mutant.ts), and what is then wrong.
export const MUTANTS = {
  'no lease': 'an answer that says "it exists" promises nothing',
  'no re-check': 'a collection takes what it found free without asking again',
  'no shared lock': 'a push holds nothing of what it looks at until its links are written',
  'no restore': 'what lies in the trash is not given back to those who ask for it',
} as const

export type Mutant = keyof typeof MUTANTS

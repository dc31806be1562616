import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { DIFFERENCE_CODES } from '../../optimizer/verify/difference.ts'

it('docs/verify.md says what every code means, and knows no other', () => {
  const text = readFileSync(new URL('../../../docs/verify.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning])
  assert.deepEqual(rows, Object.entries(DIFFERENCE_CODES))
})

/** Bars beside numbers in a table: as wide as their column, whatever the page's width. */

export interface BarPart {
  style: string
  amount: number
}

/** One bar of several parts; `whole` is the width of the column. */
export function bar(parts: readonly BarPart[], whole: number): string {
  let left = 0
  const marks = parts.map(({ style, amount }) => {
    const [x, width] = [percent(left, whole), percent(amount, whole)]
    left += amount
    return amount > 0 ? `<rect class="${style}" x="${x}" y="0" width="${width}" height="100%"/>` : ''
  })
  return `<svg class="bar" aria-hidden="true" focusable="false">${marks.join('')}</svg>`
}

function percent(amount: number, whole: number): string {
  return `${whole <= 0 ? 0 : Number(((amount / whole) * 100).toFixed(2))}%`
}

/** Tables of the page. Cells are markup: whoever makes them has escaped what is in them. */

export interface Column {
  title: string
  /** Numbers stand under each other. */
  isNumber?: boolean
  /** Of the bars: as wide as there is room. */
  isWide?: boolean
  /** Left out where there is little room. */
  isAside?: boolean
}

export interface TableText {
  caption: string
  columns: readonly Column[]
  rows: readonly (readonly string[])[]
  /** Its id, where something refers to it. */
  id?: string
}

/** The first cell of each row is its heading. */
export function table({ caption, columns, rows, id }: TableText): string {
  const style = ({ isNumber, isWide, isAside }: Column) => {
    const names = [isNumber ? 'number' : '', isWide ? 'wide-cell' : '', isAside ? 'aside' : ''].filter(
      Boolean,
    )
    return names.length === 0 ? '' : ` class="${names.join(' ')}"`
  }
  const head = columns.map((column) => `<th scope="col"${style(column)}>${column.title}</th>`).join('')
  const body = rows.map((cells) => {
    const inner = cells.map((cell, index) => {
      const column = columns[index] as Column
      return index === 0 ? `<th scope="row"${style(column)}>${cell}</th>` : `<td${style(column)}>${cell}</td>`
    })
    return `<tr>${inner.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0" role="group" aria-label="${caption}"><table${id === undefined ? '' : ` id="${id}"`}><caption class="unseen">${caption}</caption><thead><tr>${head}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></div>`
}

/** What the colours mean. */
export function legend(items: readonly { style: string; text: string }[]): string {
  const marks = items.map(
    ({ style, text }) =>
      `<li><svg class="key" width="12" height="12" aria-hidden="true" focusable="false"><rect class="${style}" width="12" height="12"/></svg> ${text}</li>`,
  )
  return `<ul class="legend">${marks.join('')}</ul>`
}

export function figure(id: string, title: string, about: string, content: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
<p class="about">${about}</p>
${content}</section>`
}

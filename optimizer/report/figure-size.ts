/** Figures are drawn twice: a picture that was made for a wide page cannot be read on a telephone. */

export interface FigureSize {
  /** Also its class: the page shows the one that fits. */
  name: 'wide' | 'narrow'
  widthPixels: number
}

export const FIGURE_SIZES: readonly FigureSize[] = [
  { name: 'wide', widthPixels: 1040 },
  { name: 'narrow', widthPixels: 343 },
]

/** As a mean of a wide sans serif, at 11 pixels: narrower ones leave some room. */
export const CHARACTER_PIXELS = 6.6

export function charactersIn(pixels: number): number {
  return Math.max(0, Math.floor(pixels / CHARACTER_PIXELS))
}

/** Both of them; the figure's caption says in words what they show. */
export function bothSizes(
  title: string,
  draw: (size: FigureSize) => { heightPixels: number; marks: string },
): string {
  return FIGURE_SIZES.map((size) => {
    const { heightPixels, marks } = draw(size)
    const box = `viewBox="0 0 ${size.widthPixels} ${heightPixels}" width="${size.widthPixels}" height="${heightPixels}"`
    return `<svg class="${size.name}" ${box} role="img" aria-label="${title}">${marks}</svg>`
  }).join('\n')
}

/** Figure: the image's bytes by layer and folder, each rectangle as large as what it takes to pull. */
import { type HierarchyRectangularNode, hierarchy, treemap } from 'd3-hierarchy'
import type { ImageAnalysis } from '../plan/analysis.ts'
import { escaped, shortened, visible } from './escape.ts'
import { bothSizes, charactersIn, type FigureSize } from './figure-size.ts'
import type { FileState } from './file-state.ts'
import { bytesText } from './format.ts'
import { storedTree, type TreeNode } from './stored-tree.ts'

type Box = HierarchyRectangularNode<TreeNode>

const HEIGHT: Record<FigureSize['name'], number> = { wide: 560, narrow: 620 }
/** Of the image: smaller ones are no longer seen as rectangles. */
const LEAST_SHARE: Record<FigureSize['name'], number> = { wide: 0.0015, narrow: 0.004 }
const LAYER_HEAD_PIXELS = 20
const FOLDER_HEAD_PIXELS = 14
/** Lower ones would be all head. */
const FOLDER_LEAST_PIXELS = 44
const LABEL_HEIGHT_PIXELS = 13
const NAME_LEAST_CHARACTERS = 9

const STATE_TEXTS: Record<FileState, string> = {
  first: 'comes first',
  late: 'read, but does not come first',
  idle: 'comes first, but was not read',
  cold: 'not read',
}

export function treemapFigure(analysis: ImageAnalysis): string {
  return bothSizes('The bytes of the image by layer and folder', (size) => ({
    heightPixels: HEIGHT[size.name],
    marks: drawTree(storedTree(analysis, LEAST_SHARE[size.name]), size),
  }))
}

function drawTree(tree: TreeNode, { name, widthPixels }: FigureSize): string {
  const root = hierarchy(tree, ({ children }) => children)
    .sum(({ state, bytes }) => (state === null ? 0 : bytes))
    .sort((one, other) => (other.value ?? 0) - (one.value ?? 0))
  const laidOut = treemap<TreeNode>()
    .size([widthPixels, HEIGHT[name]])
    .round(true)
    .paddingInner((node) => (node.depth === 0 ? 6 : 1))
    .paddingTop(headPixels)(root)
  return laidOut
    .descendants()
    .map((box) => drawBox(box))
    .join('')
}

/** A folder has a head where there is room for its name. */
function headPixels(box: Box): number {
  if (box.depth === 0 || box.children === undefined) return 0
  if (box.depth === 1) return LAYER_HEAD_PIXELS
  const fits = folderText(box.data, box.x1 - box.x0) !== '' && box.y1 - box.y0 > FOLDER_LEAST_PIXELS
  return fits ? FOLDER_HEAD_PIXELS : 0
}

function drawBox(box: Box): string {
  const [width, height] = [box.x1 - box.x0, box.y1 - box.y0]
  if (width < 1 || height < 1) return ''
  if (box.data.state === null) return drawFolder(box, width)
  const { path, bytes, state, name } = box.data
  const what = `${path}: ${bytesText(bytes)}, ${STATE_TEXTS[state]}`
  const rectangle = `<rect class="${state}" x="${box.x0}" y="${box.y0}" width="${width}" height="${height}"><title>${escaped(what)}</title></rect>`
  const text = labelText(name, charactersIn(width - 6))
  if (text === '' || height < LABEL_HEIGHT_PIXELS + 3) return rectangle
  const size = height > 2 * LABEL_HEIGHT_PIXELS + 4 && charactersIn(width - 6) >= 7
  return [
    rectangle,
    label(box, 3, 11, `on-${state}`, text),
    size ? label(box, 3, 11 + LABEL_HEIGHT_PIXELS, `on-${state} quiet`, bytesText(bytes)) : '',
  ].join('')
}

/** A name of which too little would be left is none. */
function labelText(name: string, characters: number): string {
  const text = shortened(name, characters)
  return text === visible(name) || characters >= NAME_LEAST_CHARACTERS ? text : ''
}

function drawFolder(box: Box, width: number): string {
  const head = headPixels(box)
  if (head === 0) return ''
  const text = folderText(box.data, width)
  return label(box, 0, head - 4, box.depth === 1 ? 'layer-name' : 'folder-name', text)
}

function folderText({ name, bytes }: TreeNode, width: number): string {
  const room = charactersIn(width - 4)
  const withSize = `${name} · ${bytesText(bytes)}`
  return withSize.length <= room ? withSize : labelText(name, room)
}

function label(box: Box, x: number, y: number, style: string, text: string): string {
  return text === ''
    ? ''
    : `<text class="${style}" x="${box.x0 + x}" y="${box.y0 + y}">${escaped(text)}</text>`
}

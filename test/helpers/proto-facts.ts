/** What a .proto file says, as lines that can be compared: fields, enum values and methods, by qualified name. */

/** `package.Message.field = number type` and so on; types without their package, options and comments left out. */
export function protoFacts(text: string): Set<string> {
  const facts = new Set<string>()
  const scope: string[] = []
  const plain = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').replace(/\[[^\]]*\]/g, '')
  // A statement ends with a semicolon or opens or closes a block.
  for (const [statement = ''] of plain.matchAll(/[^;{}]*[;{}]/g)) {
    const words = statement.slice(0, -1).trim().replace(/\s+/g, ' ')
    const end = statement.at(-1)
    const [kind, name = ''] = words.split(' ')
    if (kind === 'package') scope.push(name)
    else if (end === '{' && /^rpc /.test(words)) scope.push('')
    else if (end === '{') scope.push(name)
    else if (end === '}') scope.pop()
    else if (kind !== 'rpc') addField(facts, scope.join('.'), words)
    if (kind === 'rpc') facts.add(`${scope.filter(Boolean).join('.')} ${unqualified(words)}`)
  }
  return facts
}

function addField(facts: Set<string>, scope: string, words: string): void {
  const field = /^(?:((?:repeated )?[\w.]+|map<.*>) )?(\w+) = (\d+)$/.exec(words)
  if (field && !/^(option|syntax)\b/.test(words))
    facts.add(`${scope}.${field[2]} = ${field[3]} ${unqualified(field[1] ?? 'enum value')}`)
}

function unqualified(text: string): string {
  return text.replace(/[\w.]+\.(\w+)/g, '$1').replaceAll(' ', '')
}

/** Who the workload runs as: names resolved in the image's own /etc/passwd and /etc/group. */
import { PreconditionError, UsageError } from '../../../shared/errors.ts'

/** The `user` of an OCI runtime spec's process. */
export interface ProcessUser {
  uid: number
  gid: number
  additionalGids: number[]
}

/** Text of the image's files, null where the image has none. */
export interface Accounts {
  passwd: string | null
  group: string | null
}

interface Account {
  name: string
  uid: number
  gid: number
}

interface Group {
  name: string
  gid: number
  members: string[]
}

/** Ids are 32 bits; the last one means "no change" to the kernel. */
const ID_MAX = 2 ** 32 - 2

/**
 * As `ctr run`: a number is an id, whether the image knows it or not, a name must be in the image. The user's other
 * groups are added, the primary one first.
 *
 * @param text `user[:group]`, '' for root
 * @throws {PreconditionError} USER_UNKNOWN, GROUP_UNKNOWN
 * @throws {UsageError} USER_INVALID
 */
export function resolveUser(text: string, files: Accounts): ProcessUser {
  const [userText = '', groupText, ...rest] = text.split(':')
  if (rest.length > 0 || (text !== '' && userText === '') || groupText === '')
    throw new UsageError('USER_INVALID', `the user ${JSON.stringify(text)} is not of the form user[:group]`)
  const accounts = parsePasswd(files.passwd ?? '')
  const groups = parseGroup(files.group ?? '')
  const { name, uid, gid: primary } = findAccount(userText, accounts)
  const gid = groupText === undefined ? primary : findGroup(groupText, groups)
  const others = groups
    .filter(({ members }) => name !== null && members.includes(name))
    .map((group) => group.gid)
  return { uid, gid, additionalGids: [...new Set([gid, ...others])] }
}

function findAccount(text: string, accounts: Account[]): { name: string | null; uid: number; gid: number } {
  const id = text === '' ? 0 : parseId(text)
  const known = accounts.find((account) => (id === null ? account.name === text : account.uid === id))
  if (known) return known
  if (id !== null) return { name: id === 0 ? 'root' : null, uid: id, gid: 0 }
  throw new PreconditionError(
    'USER_UNKNOWN',
    `the user "${text}" is not in the image's /etc/passwd: name one that is, or a numeric id`,
  )
}

function findGroup(text: string, groups: Group[]): number {
  const id = parseId(text)
  if (id !== null) return id
  const known = groups.find(({ name }) => name === text)
  if (known) return known.gid
  throw new PreconditionError(
    'GROUP_UNKNOWN',
    `the group "${text}" is not in the image's /etc/group: name one that is, or a numeric id`,
  )
}

/** @see passwd(5): name:password:uid:gid:... */
function parsePasswd(text: string): Account[] {
  return fieldsOf(text).flatMap(([name = '', , uidText = '', gidText = '']) => {
    const uid = parseId(uidText)
    const gid = parseId(gidText)
    return name === '' || uid === null || gid === null ? [] : [{ name, uid, gid }]
  })
}

/** @see group(5): name:password:gid:member,member */
function parseGroup(text: string): Group[] {
  return fieldsOf(text).flatMap(([name = '', , gidText = '', members = '']) => {
    const gid = parseId(gidText)
    return name === '' || gid === null ? [] : [{ name, gid, members: members.split(',') }]
  })
}

function fieldsOf(text: string): string[][] {
  return text.split('\n').map((line) => line.trim().split(':'))
}

function parseId(text: string): number | null {
  if (!/^\d{1,10}$/.test(text)) return null
  const id = Number(text)
  return id <= ID_MAX ? id : null
}

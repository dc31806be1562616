/** What somebody who comes from `ctr-remote` types, and what does it here. docs/migrating.md tells it in full. */

/** Words where a command is expected; what is said goes behind "there is no command …". */
export const PEER_COMMANDS: Readonly<Record<string, string>> = {
  image: ', begin with optimizer optimize or optimizer convert',
  images: ', begin with optimizer optimize or optimizer convert',
  i: ', begin with optimizer optimize or optimizer convert',
  'get-toc-digest': ', optimizer inspect tells it of every layer',
  rpull: ', ctr-remote image rpull pulls our images, too',
  'ipfs-push': ', images go into containerd, registries, layouts and archives',
  fanotify: ', notifier is a program of its own',
}

/** Options of its that have another name here, or none; what is said goes behind "there is no option …". */
export const PEER_OPTIONS: Readonly<Record<string, string>> = {
  estargz: 'leave it out, layers are eStargz unless an option says otherwise',
  'estargz-record-in': 'write --record-in',
  'zstdchunked-record-in': 'write --record-in',
  'estargz-parallelism': 'write --workers',
  debug: 'write --log-level debug',
  timeout: 'leave it out, a run ends by --period and its like',
  'connect-timeout': 'leave it out, a daemon that is not there is told at once',
  'dump-toc': 'write optimizer inspect IMAGE --toc 0',
}

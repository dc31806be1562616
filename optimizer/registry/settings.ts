/** How registries are reached, as asked for. Nothing is read from any file here. */

export interface BasicCredentials {
  username: string
  password: string
}

export interface RegistrySettings {
  /** docker's config.json or podman's auth.json, in place of the usual ones; null: those. */
  configFile: string | null
  /** By registry; under '' for whatever registry is asked. They come before those of any file. */
  credentials: ReadonlyMap<string, BasicCredentials>
  /** PEM files, beside those that are in folders for the registry. */
  tls: { caFile: string | null; certFile: string | null; keyFile: string | null }
  /** http in place of https; null: for this machine's own loopback alone. */
  plainHttp: boolean | null
  /** containerd's: for each registry a folder with hosts.toml, or certificates. */
  hostsFolders: readonly string[]
  /** docker's and podman's: for each registry a folder with certificates. */
  certificateFolders: readonly string[]
  /** Where blobs are on their way from or to a registry. */
  folder: string
  /** Blobs that have been read or written are kept there until the end: they are wanted a second time. */
  keepBlobs: boolean
  limits: RegistryLimits
}

export interface RegistryLimits {
  /** How long nothing may move. */
  stallSeconds: number
  /** How long an answer to a whole blob may take: the registry reads it again before it says yes. */
  commitSeconds: number
  connectSeconds: number
  /** Before the second try; twice that before each that follows. */
  retrySeconds: number
  tries: number
  /** A registry that asks for a longer wait than this is told to the user at once. */
  retryAfterSecondsMax: number
  /** Connections to one host. */
  connections: number
  /** Blobs that are sent at a time. */
  uploads: number
  /** Where so much waits to be sent, no blob is begun. */
  unsentBytesMax: number
  /** Pieces in which a blob is sent once sending it in one go has failed. */
  chunkBytes: number
}

export const LIMITS: RegistryLimits = {
  stallSeconds: 60,
  commitSeconds: 300,
  connectSeconds: 15,
  retrySeconds: 0.5,
  tries: 5,
  retryAfterSecondsMax: 60,
  connections: 12,
  uploads: 3,
  unsentBytesMax: 1024 * 1024 * 1024,
  chunkBytes: 32 * 1024 * 1024,
}

export const HOSTS_FOLDER = '/etc/containerd/certs.d'
export const CERTIFICATE_FOLDERS = ['/etc/docker/certs.d', '/etc/containers/certs.d']

/** What holds where nothing is said. @param folder for temporary files */
export function usualSettings(folder: string): RegistrySettings {
  return {
    configFile: null,
    credentials: new Map(),
    tls: { caFile: null, certFile: null, keyFile: null },
    plainHttp: null,
    hostsFolders: [HOSTS_FOLDER],
    certificateFolders: CERTIFICATE_FOLDERS,
    folder,
    keepBlobs: false,
    limits: LIMITS,
  }
}

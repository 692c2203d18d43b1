/**
 * How a {@link ScriptedRegistry} differs from one that does everything right: one switch for each way that registries and
 * the proxies before them were met with. A switch that is absent means that all is well.
 */
export interface Quirks {
  /** `Docker-Content-Digest`: left out of GETs, left out everywhere, or this one whatever is asked for. */
  digestHeader?: 'head-only' | 'never' | { readonly is: string } | undefined;
  /** The `Content-Type` of manifests; an empty one is left out. */
  manifestType?: string | undefined;
  /** HEAD answers have no `Content-Length`. */
  headWithoutLength?: boolean | undefined;
  /** HEAD of a manifest answers this status, while GET works. */
  headManifest?: number | undefined;
  /** HEAD of a blob answers this status, while GET works. */
  headBlob?: number | undefined;
  /** HEAD says that a blob is there which is not. */
  headBlobLies?: boolean | undefined;
  /** What is not named in `Accept` is not there. */
  strictAccept?: boolean | undefined;
  /** Without index types in `Accept` the first manifest of an index is served in its place. */
  picksPlatform?: boolean | undefined;
  /** What is not there is forbidden. */
  missingIsForbidden?: boolean | undefined;
  /** Where blobs are redirected to: a URL with the path of the blob behind it. */
  redirectBlobs?: string | undefined;
  /** The status of that redirect; 307 if absent. */
  redirectStatus?: number | undefined;
  /** Ranges of blobs: ignored, answered with other or more bytes, with a wrong `Content-Range`, or with 416. */
  ranges?: 'ignored' | 'shifted' | 'to-the-end' | 'mislabelled' | 'refused' | 'of-another' | undefined;
  /** Added to the `Content-Length` of blobs, and to the bytes that are sent. */
  extraBytes?: number | undefined;
  /** The `Content-Encoding` that blobs are said to have. */
  contentEncoding?: string | undefined;
  /** The first GET of a blob sends wrong bytes of the right length, unless caches are passed by. */
  staleCache?: boolean | undefined;

  /** `POST ?digest=` takes a blob in one request. */
  singlePost?: boolean | undefined;
  /** Mounts: never done, or answered with this status. */
  mounts?: 'session' | number | undefined;
  /** The status for a mount without the repository it is from. */
  anonymousMount?: number | undefined;
  /** Chunks with a `Content-Range` answer this status. */
  rangedPatch?: number | undefined;
  /** A second PATCH of a session answers this status. */
  secondPatch?: number | undefined;
  /** The status of a PATCH that was taken; 202 if absent. */
  patchStatus?: number | undefined;
  /** The `Range` of uploads stays where the first chunk ended, says one byte too many, or is absent. */
  uploadRange?: 'stale' | 'too-long' | 'absent' | undefined;
  /** Chunks above this many bytes answer 416 and say that they are too large. */
  chunkLimit?: number | undefined;
  /** Bodies above this many bytes answer 413. */
  bodyLimit?: number | undefined;
  /** Bodies above this many bytes answer 413 before they are read, and the connection is closed. */
  earlyLimit?: number | undefined;
  /** What comes behind a chunk below this many bytes is refused. */
  chunkMinimum?: number | undefined;
  /** The values of `OCI-Chunk-Min-Length` and `OCI-Chunk-Max-Length`. */
  chunkMinimumHeader?: number | undefined;
  chunkMaximumHeader?: number | undefined;
  /** A closing PUT without a body answers this status. */
  emptyClose?: number | undefined;
  /** A PUT with the whole blob answers this status. */
  wholePut?: number | undefined;
  /** Blobs of no bytes answer this status. */
  emptyBlob?: number | undefined;
  /** Half of each chunk over 64 KiB behind the first is lost, without a word but the `Range`. */
  keepsHalfOfChunks?: boolean | undefined;
  /** A session is gone when a request of it breaks off. */
  losesBrokenSessions?: boolean | undefined;
  /** A session takes no second request after one that failed. */
  oneTrySessions?: boolean | undefined;
  /** GET of a session answers this status. */
  uploadStatus?: number | undefined;
  /** The action that a token needs for the end of a session by DELETE; `push` if absent. */
  cancelAction?: 'push' | 'delete' | undefined;
  /** The form of `Location`s of uploads. `moving`: another one with each answer, and only the newest works. */
  location?: 'relative' | 'schemeless' | 'http' | 'moving' | { readonly origin: string } | undefined;
  /** The closing PUT takes the blob and answers this status. */
  closeStatus?: number | undefined;
  /** `Content-Range` of chunks has to be written without a unit, else 400. */
  strictContentRange?: boolean | undefined;

  /** Several tags in one PUT. */
  multiTag?: boolean | undefined;
  /** A manifest whose children are not there is taken. */
  takesIncomplete?: boolean | undefined;
  /** A manifest whose subject is not there is refused. */
  checksSubject?: boolean | undefined;
  /** The referrers API: this status, a redirect, a page, a JSON document of another type. Absent: it works. */
  referrers?: number | { readonly redirect: string } | 'page' | 'other-type' | undefined;
  /** The API answers and says nothing of a filter. */
  ignoresArtifactType?: boolean | undefined;
  /** Tags cannot be deleted, or nothing can. */
  deletes?: 'manifests-only' | 'none' | undefined;
  /** Nothing can be pushed. */
  readOnly?: boolean | undefined;
  /** Repositories are not made by pushing to them. */
  fixedRepositories?: boolean | undefined;

  /** The most names of one page, whatever is asked for. */
  pageSize?: number | undefined;
  /** More names asked for at once are an error. */
  largestPage?: number | undefined;
  /** An empty list is null. */
  nullLists?: boolean | undefined;
  /** The form of `Link`. `loop`: the next page is this one. */
  link?: 'absolute' | 'unquoted' | 'several' | 'loop' | 'endless' | { readonly origin: string } | undefined;
  /** Further fields of a list of tags. */
  tagListExtras?: Readonly<Record<string, unknown>> | undefined;

  /** Headers of every answer. */
  headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
}

/** When a blob is fetched over several connections. */
export interface DownloadOptions {
  /** Parts of one blob that are fetched before they are wanted; 4 if not said, 0: one stream. */
  readonly parts?: number | undefined;
  /** Bytes of a part; 8 MiB if not said. */
  readonly partSize?: number | undefined;
  /** How long a stream may be slow before it gets help, in milliseconds; 500 if not said. */
  readonly patience?: number | undefined;
  /** Bytes a second that are no reason for help; 100 MB if not said. */
  readonly enough?: number | undefined;
}

/** {@link DownloadOptions} with nothing left open. */
export type DownloadPolicy = { readonly [K in keyof DownloadOptions]-?: number };

export const defaultDownloadPolicy: DownloadPolicy = {
  parts: 4,
  partSize: 8 * 1024 * 1024,
  patience: 500,
  enough: 100_000_000,
};

import type { Digest } from '../../spec/digest.ts';

/** What an upload is of and where it goes. */
export interface UploadKey {
  readonly registry: string;
  readonly repository: string;
  readonly digest: Digest;
}

/** An upload that was begun. The location may hold secrets of the registry. */
export interface SavedUpload {
  readonly location: string;
  /** Bytes that the registry has acknowledged. */
  readonly offset: number;
}

/** Remembers uploads, so that a later process goes on where an earlier one stopped. */
export interface UploadSessionStore {
  get(key: UploadKey): Promise<SavedUpload | undefined>;
  put(key: UploadKey, upload: SavedUpload): Promise<void>;
  delete(key: UploadKey): Promise<void>;
}
